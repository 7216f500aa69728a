"""Tasks that wait for other tasks, unique keys, and what keeps queues back."""

from importlib.resources import files

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0004_dependencies.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("queues")
    op.drop_table("dependencies")
    op.execute("DROP INDEX tasks_keyed_in_flight")
    op.execute("DROP INDEX tasks_keyed_ready")
    op.execute("DROP INDEX tasks_unique")
    op.execute("DROP INDEX tasks_awaited")
    for column in ("concurrency_limit", "on_parent_failure", "pending_parents", "awaited"):
        op.drop_column("tasks", column)
