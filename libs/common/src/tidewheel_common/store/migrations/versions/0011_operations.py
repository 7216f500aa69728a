"""Running tasks whose cancellation was asked for are found by an index."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # A claim changes none of its columns and stays a heap-only-tuple update.
    op.execute(
        "CREATE INDEX tasks_cancelling ON tasks (cancel_requested_at) "
        "WHERE cancel_requested_at IS NOT NULL AND remove_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX tasks_cancelling")
