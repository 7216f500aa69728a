"""Rules of several specs, pauses that end by themselves, schedules that end, and a ledger that says why."""

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    script = files("tidewheel_common.store.migrations") / "versions" / "0003_schedules.sql"
    for statement in script.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DELETE FROM fires WHERE task_id IS NULL")
    op.drop_constraint("fires_task", "fires")
    op.drop_column("fires", "reason")
    op.drop_column("fires", "outcome")
    op.alter_column("fires", "task_id", nullable=False)
    op.drop_index("tasks_schedule_open")
    op.execute("DELETE FROM schedules WHERE jsonb_exists(rule, 'specs')")
    op.drop_constraint("schedules_spec", "schedules")
    for column in ("source", "ended_at", "paused_until", "held_at", "fired", "overlap", "rule"):
        op.drop_column("schedules", column)
    op.create_check_constraint("schedules_spec", "schedules", "(every IS NULL) <> (cron IS NULL)")
