"""The order in which a task named its parents, and what attempts say while they run."""

from importlib.resources import files

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0009_attempts.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("attempt_progress")
    op.drop_table("attempt_logs")
    op.drop_column("dependencies", "place")
