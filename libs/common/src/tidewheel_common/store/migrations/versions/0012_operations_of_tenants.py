"""The bulk operations of a tenant are listed by an index."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("CREATE INDEX operations_tenant ON operations (tenant_id, id)")


def downgrade() -> None:
    op.execute("DROP INDEX operations_tenant")
