"""The index of a tenant's tasks is of no use to who knows an id alone.

As long as a table holds next to nothing, a scan of it costs as much as a look into the primary key, and PostgreSQL took
it; a plan that is kept (ADR 52) would go on with it when the table has filled.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("CREATE INDEX tasks_of_tenant ON tasks (tenant_id, id) WHERE tenant_id IS NOT NULL")
    op.execute("DROP INDEX tasks_tenant")
    op.execute("ALTER INDEX tasks_of_tenant RENAME TO tasks_tenant")


def downgrade() -> None:
    op.execute("CREATE INDEX tasks_of_tenant ON tasks (tenant_id, id)")
    op.execute("DROP INDEX tasks_tenant")
    op.execute("ALTER INDEX tasks_of_tenant RENAME TO tasks_tenant")
