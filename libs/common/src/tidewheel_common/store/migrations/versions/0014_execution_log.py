"""The attempt that completed a task is kept in the task's own row (ADR 57); a view has it beside the others.

Until now each had a row in `attempts`, too. Those that are there stay, and the view prefers them. The way back writes
the rows that are missing, so the services have to be back before.
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW execution_log AS
        SELECT task_id, attempt, tenant_id, executor_id, state, started_at, finished_at, error, error_type
        FROM attempts
        UNION ALL
        SELECT id, attempt, tenant_id, executor_id, state, started_at, finished_at, NULL, NULL
        FROM tasks
        WHERE state = 'complete' AND NOT EXISTS (
            SELECT FROM attempts WHERE attempts.task_id = tasks.id AND attempts.attempt = tasks.attempt
        )
        """
    )


def downgrade() -> None:
    op.execute(
        "INSERT INTO attempts (task_id, attempt, tenant_id, executor_id, state, started_at, finished_at)"
        " SELECT task_id, attempt, tenant_id, executor_id, state, started_at, finished_at FROM execution_log"
        " WHERE state = 'complete' ON CONFLICT DO NOTHING"
    )
    op.execute("DROP VIEW execution_log")
