"""Bulk operations; and running tasks whose cancellation was asked for are found by an index."""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0010_operations.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("operations")
    op.execute("DROP INDEX tasks_cancelling")
