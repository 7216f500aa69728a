"""The order in which a task named its parents."""

from alembic import op

revision = "0010"
down_revision = "0006"


def upgrade() -> None:
    # Parents that were named before have no order but that of their ids, which break ties.
    op.execute("ALTER TABLE dependencies ADD COLUMN place integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.drop_column("dependencies", "place")
