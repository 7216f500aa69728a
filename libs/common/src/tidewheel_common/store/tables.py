"""The tables, as SQLAlchemy sees them.

The migrations make the schema; this file describes it, for queries that truly vary (list and filter) and for
`alembic check`, which holds the two against each other.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, LargeBinary, MetaData, Text, Uuid, text
from sqlalchemy import Table as _Table
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, JSONB, SMALLINT, TIMESTAMP

metadata = MetaData()

_INSTANT = TIMESTAMP(timezone=True)


def _maybe(name: str, kind: object) -> Column[object]:
    return Column(name, kind, nullable=True)  # type: ignore[arg-type]  # a column type or an instance of one


def _must(name: str, kind: object, default: str | None = None) -> Column[object]:
    server_default = None if default is None else text(default)
    return Column(name, kind, nullable=False, server_default=server_default)  # type: ignore[arg-type]  # as above


tenants = _Table(
    "tenants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _must("created_at", _INSTANT, "clock_timestamp()"),
)

api_keys = _Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    _must("tenant_id", Uuid),
    _must("name", Text),
    _must("secret_hash", LargeBinary),
    _must("created_at", _INSTANT, "clock_timestamp()"),
    _maybe("revoked_at", _INSTANT),
)

tasks = _Table(
    "tasks",
    metadata,
    Column("id", Uuid, primary_key=True),
    _must("tenant_id", Uuid),
    _must("handler", Text),
    _must("queue", Text),
    _must("priority", SMALLINT),
    _must("state", Text),
    _must("payload", LargeBinary),
    _maybe("result", LargeBinary),
    _maybe("error", LargeBinary),
    _maybe("error_type", Text),
    _maybe("reason", Text),
    _must("attempt", INTEGER, "0"),
    _must("failures", INTEGER, "0"),
    _must("lost", INTEGER, "0"),
    _must("max_attempts", INTEGER),
    _maybe("timeout", Double),
    _maybe("backoff", JSONB),
    _must("removal_delay", Double),
    _must("delivery", Text),
    _must("tags", ARRAY(Text), "'{}'"),
    _maybe("concurrency_key", Text),
    _maybe("unique_key", Text),
    _maybe("traceparent", Text),
    _maybe("schedule_id", Uuid),
    _maybe("nominal_at", _INSTANT),
    _must("run_at", _INSTANT),
    _maybe("expires_at", _INSTANT),
    _must("created_at", _INSTANT, "clock_timestamp()"),
    _maybe("started_at", _INSTANT),
    _maybe("finished_at", _INSTANT),
    _maybe("cancel_requested_at", _INSTANT),
    _maybe("executor_id", Uuid),
    _maybe("wait_until", _INSTANT),
    _maybe("ready_at", _INSTANT),
    _maybe("queued_at", _INSTANT),
    _maybe("lease_until", _INSTANT),
    _maybe("remove_at", _INSTANT),
    _must("awaited", Boolean, "false"),
    _must("pending_parents", INTEGER, "0"),
    _maybe("on_parent_failure", Text),
    _maybe("concurrency_limit", INTEGER),
    _maybe("notify", LargeBinary),
    _must("owes", Boolean, "false"),
    _maybe("late_at", _INSTANT),
    _maybe("lapsed_at", _INSTANT),
)

# Its condition always holds. It keeps the index from those who know an id alone: theirs is the primary key.
Index("tasks_tenant", tasks.c.tenant_id, tasks.c.id, postgresql_where=tasks.c.tenant_id.is_not(None))
Index("tasks_waiting", tasks.c.wait_until, postgresql_where=tasks.c.wait_until.is_not(None))
Index(
    "tasks_ready",
    tasks.c.queue,
    tasks.c.priority,
    tasks.c.ready_at,
    tasks.c.id,
    postgresql_where=tasks.c.ready_at.is_not(None),
)
Index("tasks_in_flight", tasks.c.queued_at, postgresql_where=tasks.c.queued_at.is_not(None))
Index("tasks_removable", tasks.c.remove_at, postgresql_where=tasks.c.remove_at.is_not(None))
Index(
    "tasks_expiring",
    tasks.c.expires_at,
    postgresql_where=tasks.c.expires_at.is_not(None) & tasks.c.remove_at.is_(None),
)
Index("tasks_failed", tasks.c.tenant_id, tasks.c.id, postgresql_where=tasks.c.reason.is_not(None))
Index("tasks_schedule", tasks.c.schedule_id, tasks.c.id, postgresql_where=tasks.c.schedule_id.is_not(None))
Index("tasks_owing", tasks.c.finished_at, postgresql_where=tasks.c.owes & tasks.c.remove_at.is_not(None))
Index(
    "tasks_late",
    tasks.c.late_at,
    postgresql_where=tasks.c.late_at.is_not(None) & tasks.c.lapsed_at.is_(None) & tasks.c.remove_at.is_(None),
)
Index("tasks_lapsed", tasks.c.lapsed_at, postgresql_where=tasks.c.lapsed_at.is_not(None))
Index("tasks_awaited", tasks.c.finished_at, postgresql_where=tasks.c.awaited & tasks.c.remove_at.is_not(None))
Index(
    "tasks_unique",
    tasks.c.tenant_id,
    tasks.c.unique_key,
    unique=True,
    postgresql_where=tasks.c.unique_key.is_not(None) & tasks.c.remove_at.is_(None),
)

Index(
    "tasks_keyed_ready",
    tasks.c.tenant_id,
    tasks.c.concurrency_key,
    tasks.c.ready_at,
    tasks.c.id,
    postgresql_where=tasks.c.concurrency_key.is_not(None) & tasks.c.ready_at.is_not(None),
)
Index(
    "tasks_keyed_in_flight",
    tasks.c.tenant_id,
    tasks.c.concurrency_key,
    postgresql_where=tasks.c.concurrency_key.is_not(None) & tasks.c.queued_at.is_not(None),
)

Index(
    "tasks_cancelling",
    tasks.c.cancel_requested_at,
    postgresql_where=tasks.c.cancel_requested_at.is_not(None) & tasks.c.remove_at.is_(None),
)

dependencies = _Table(
    "dependencies",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("parent_id", Uuid, primary_key=True),
    _maybe("outcome", Text),
    _must("place", INTEGER, "0"),
)

Index("dependencies_open", dependencies.c.parent_id, postgresql_where=dependencies.c.outcome.is_(None))

attempt_logs = _Table(
    "attempt_logs",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("attempt", INTEGER, primary_key=True, autoincrement=False),
    Column("part", INTEGER, primary_key=True, autoincrement=False),
    _must("tenant_id", Uuid),
    _must("lines", LargeBinary),
    _must("written_at", _INSTANT),
)

attempt_progress = _Table(
    "attempt_progress",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("attempt", INTEGER, primary_key=True, autoincrement=False),
    _must("tenant_id", Uuid),
    _must("state", Text),
    _must("meta", LargeBinary),
    _must("updated_at", _INSTANT),
)

operations = _Table(
    "operations",
    metadata,
    Column("id", Uuid, primary_key=True),
    _must("tenant_id", Uuid),
    _must("action", Text),
    _must("filter", JSONB),
    _maybe("priority", SMALLINT),
    _must("dry_run", Boolean),
    _must("counted", BigInteger),
    _must("done", BigInteger, "0"),
    _must("failed", BigInteger, "0"),
    _maybe("reached", Uuid),
    _must("created_at", _INSTANT),
    _maybe("finished_at", _INSTANT),
)

Index("operations_tenant", operations.c.tenant_id, operations.c.id)
Index(
    "operations_open",
    operations.c.created_at,
    operations.c.id,
    postgresql_where=operations.c.finished_at.is_(None),
)

queues = _Table(
    "queues",
    metadata,
    Column("name", Text, primary_key=True),
    _maybe("paused_at", _INSTANT),
    _maybe("paused_until", _INSTANT),
    _maybe("rate", Double),
    _maybe("concurrency", INTEGER),
    _maybe("tokens", Double),
    _maybe("tokens_at", _INSTANT),
    _must("updated_at", _INSTANT, "clock_timestamp()"),
)

Index(
    "tasks_schedule_open",
    tasks.c.schedule_id,
    postgresql_where=tasks.c.schedule_id.is_not(None) & tasks.c.remove_at.is_(None),
)

attempts = _Table(
    "attempts",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("attempt", INTEGER, primary_key=True, autoincrement=False),
    _must("tenant_id", Uuid),
    _maybe("executor_id", Uuid),
    _must("state", Text),
    _maybe("started_at", _INSTANT),
    _must("finished_at", _INSTANT),
    _maybe("error", LargeBinary),
    _maybe("error_type", Text),
)

executors = _Table(
    "executors",
    metadata,
    Column("id", Uuid, primary_key=True),
    _must("hostname", Text),
    _must("pid", INTEGER),
    _must("queues", ARRAY(Text)),
    _must("handlers", ARRAY(Text)),
    _must("started_at", _INSTANT, "clock_timestamp()"),
    _must("heartbeat_at", _INSTANT, "clock_timestamp()"),
)

watch = _Table(
    "watch",
    metadata,
    Column("id", SMALLINT, primary_key=True, autoincrement=False),
    _must("since", _INSTANT),
    _must("seen_at", _INSTANT),
    _must("jumped_at", _INSTANT),
)

handlers = _Table(
    "handlers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    _maybe("queue", Text),
    _must("description", Text),
    _must("arguments", Text),
    _must("first_seen_at", _INSTANT),
    _must("seen_at", _INSTANT),
)

schedules = _Table(
    "schedules",
    metadata,
    Column("id", Uuid, primary_key=True),
    _must("tenant_id", Uuid),
    _must("name", Text),
    _must("handler", Text),
    _must("queue", Text),
    _must("priority", SMALLINT),
    _must("payload", LargeBinary),
    _maybe("every", Double),
    _maybe("cron", Text),
    _must("timezone", Text),
    _must("max_attempts", INTEGER),
    _maybe("timeout", Double),
    _maybe("backoff", JSONB),
    _must("removal_delay", Double),
    _must("delivery", Text),
    _must("tags", ARRAY(Text), "'{}'"),
    _must("starts_at", _INSTANT),
    _maybe("next_run_at", _INSTANT),
    _maybe("last_run_at", _INSTANT),
    _maybe("paused_at", _INSTANT),
    _must("rule", JSONB, "'{}'"),
    _must("overlap", Text, "'allow'"),
    _must("fired", INTEGER, "0"),
    _maybe("held_at", _INSTANT),
    _maybe("paused_until", _INSTANT),
    _maybe("ended_at", _INSTANT),
    _must("source", Text, "'api'"),
    _maybe("managed_by", Text),
    _maybe("pause_reason", Text),
    _must("failures", INTEGER, "0"),
    _maybe("last_error", Text),
    _maybe("retry_at", _INSTANT),
    _maybe("notify", LargeBinary),
    _maybe("late_after", Double),
    _must("created_at", _INSTANT, "clock_timestamp()"),
    _must("updated_at", _INSTANT, "clock_timestamp()"),
)

Index("schedules_name", schedules.c.tenant_id, schedules.c.name, unique=True)
Index("schedules_tenant", schedules.c.tenant_id, schedules.c.id)
Index("schedules_waking", schedules.c.paused_until, postgresql_where=schedules.c.paused_until.is_not(None))
Index("schedules_held", schedules.c.held_at, postgresql_where=schedules.c.held_at.is_not(None))
Index(
    "schedules_due",
    schedules.c.next_run_at,
    postgresql_where=schedules.c.next_run_at.is_not(None) & schedules.c.retry_at.is_(None),
)
Index(
    "schedules_managed",
    schedules.c.tenant_id,
    schedules.c.managed_by,
    schedules.c.id,
    postgresql_where=schedules.c.managed_by.is_not(None),
)
Index("schedules_retrying", schedules.c.retry_at, postgresql_where=schedules.c.retry_at.is_not(None))

fires = _Table(
    "fires",
    metadata,
    Column("schedule_id", Uuid, primary_key=True),
    Column("nominal_at", _INSTANT, primary_key=True),
    _must("tenant_id", Uuid),
    _maybe("task_id", Uuid),
    _must("outcome", Text, "'fired'"),
    _must("reason", Text, "''"),
    _must("fired_at", _INSTANT, "clock_timestamp()"),
    _must("owes", Boolean, "false"),
)

Index("fires_owing", fires.c.fired_at, postgresql_where=fires.c.owes)

notification_rules = _Table(
    "notification_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    _must("tenant_id", Uuid),
    _must("name", Text),
    _must("events", ARRAY(Text)),
    _maybe("handler", Text),
    _maybe("queue", Text),
    _maybe("tag", Text),
    _must("target", LargeBinary),
    _maybe("late_after", Double),
    _maybe("disabled_at", _INSTANT),
    _maybe("disabled_reason", Text),
    _must("created_at", _INSTANT),
    _must("updated_at", _INSTANT),
)

Index("notification_rules_name", notification_rules.c.tenant_id, notification_rules.c.name, unique=True)

idempotency_keys = _Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    _must("fingerprint", LargeBinary),
    _must("task_ids", ARRAY(Uuid)),
    _must("accepted_at", _INSTANT),
    _must("expires_at", _INSTANT),
)

Index("idempotency_keys_expiring", idempotency_keys.c.expires_at)
