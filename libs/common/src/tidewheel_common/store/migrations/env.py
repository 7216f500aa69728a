"""Alembic's entry: runs the migrations on the connection that `store.migrate` hands over."""

from alembic import context

from tidewheel_common.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    transaction_per_migration=True,
)

with context.begin_transaction():
    context.run_migrations()
