"""Tasks that have not begun in time, and whom schedules tell."""

from importlib.resources import files

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0011_late.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_column("notification_rules", "late_after")
    op.drop_column("schedules", "late_after")
    op.drop_column("schedules", "notify")
    op.execute("DROP INDEX tasks_lapsed")
    op.execute("DROP INDEX tasks_late")
    op.drop_column("tasks", "lapsed_at")
    op.drop_column("tasks", "late_at")
