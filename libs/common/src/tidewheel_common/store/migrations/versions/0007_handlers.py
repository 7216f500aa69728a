"""What the executors say of their handlers."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        # One row for each variant of a handler: in a rolling deploy two may be served at once. No tenant: handlers
        # belong to the installation. `seen_at` is not indexed, so it stays a heap-only-tuple update.
        """
        CREATE TABLE handlers (
            name text NOT NULL,
            digest bytea NOT NULL,
            queue text,
            description text NOT NULL,
            arguments text NOT NULL,
            first_seen_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            PRIMARY KEY (name, digest)
        ) WITH (fillfactor = 50)
        """
    )


def downgrade() -> None:
    op.drop_table("handlers")
