"""The tables of the first release."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0001_initial.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("idempotency_keys", "fires", "schedules", "executors", "attempts", "tasks", "api_keys", "tenants"):
        op.drop_table(table)
