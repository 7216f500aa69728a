"""Notifications: what a task's end owes to whom, and the rules of tenants."""

from importlib.resources import files

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0008_notifications.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("notification_rules")
    op.execute("DROP INDEX fires_owing")
    op.execute("DROP INDEX tasks_owing")
    op.drop_column("fires", "owes")
    op.drop_column("tasks", "owes")
    op.drop_column("tasks", "notify")
