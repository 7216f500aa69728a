"""Schedules that belong to a file, pauses with a reason, and fires that are refused and tried again."""

from importlib.resources import files

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0005_schedule_owners.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.drop_index("schedules_retrying")
    op.drop_index("schedules_managed")
    op.drop_index("schedules_due")
    for column in ("retry_at", "last_error", "failures", "pause_reason", "managed_by"):
        op.drop_column("schedules", column)
    op.execute("CREATE INDEX schedules_due ON schedules (next_run_at) WHERE next_run_at IS NOT NULL")
