"""The statements of `notices.sql`, one typed function each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tidewheel_common.core.notice import Coverage
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Rows
from tidewheel_common.store.sql import load_statements

STATEMENTS = load_statements("tidewheel_executor", "notices.sql")

QUEUE = "notifications"
MAX_ATTEMPTS = 10
TIMEOUT = 60.0
REMOVAL_DELAY = 7 * 86_400.0
"""Seconds."""

BACKOFF = '{"initial": 5, "factor": 4, "max": 36000, "jitter": 0.1}'
"""Seconds 5, 20, 80 and so on up to ten hours: an endpoint that is away for a day still hears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwingTask:
    """A task that has ended; `notify` is the sealed note of whom it concerns."""

    id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    tags: list[str]
    state: str
    reason: str | None
    error_type: str | None
    attempt: int
    finished_at: datetime
    schedule_id: UUID | None
    traceparent: str | None
    notify: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LapsedTask:
    """A task that had not begun at `late_at`, as was seen at `lapsed_at`.

    `notify` is the sealed note of whom it concerns, `due_at` from when on it could begin; None when that is not known
    any more.
    """

    id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    tags: list[str]
    schedule_id: UUID | None
    traceparent: str | None
    notify: bytes | None
    late_at: datetime
    lapsed_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwingFire:
    """A fire of a schedule that was late or missed; `notify` is the sealed note of whom the schedule concerns."""

    schedule_id: UUID
    nominal_at: datetime
    tenant_id: UUID
    outcome: str
    reason: str
    task_id: UUID | None
    fired_at: datetime
    name: str
    handler: str
    queue: str
    tags: list[str]
    notify: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule of a tenant; its target is sealed."""

    id: UUID
    tenant_id: UUID
    coverage: Coverage
    target: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification to be inserted; payload and note are sealed. One that owes is looked at when it has ended."""

    id: UUID
    tenant_id: UUID
    handler: str
    payload: bytes
    traceparent: str | None
    note: bytes
    owes: bool


async def tasks_owing(connection: Connection, *, size: int) -> list[OwingTask]:
    """Hold up to `size` tasks that have ended and of which nobody has been told, until the transaction ends."""
    return [OwingTask(**row) for row in (await _run(connection, "tasks_owing", {"size": size}))]


async def fires_owing(connection: Connection, *, size: int) -> list[OwingFire]:
    """Hold up to `size` fires of which nobody has been told, until the transaction ends."""
    return [OwingFire(**row) for row in (await _run(connection, "fires_owing", {"size": size}))]


async def tasks_lapsed(connection: Connection, *, size: int) -> list[LapsedTask]:
    """Hold up to `size` tasks that had not begun in time and of which nobody has been told."""
    return [LapsedTask(**row) for row in (await _run(connection, "tasks_lapsed", {"size": size}))]


async def rules_of(connection: Connection, tenants: Collection[UUID]) -> list[Rule]:
    """Read the rules of some tenants that are not disabled."""
    rows = await _run(connection, "rules_of", {"tenants": list(tenants)})
    return [
        Rule(
            id=row.id,
            tenant_id=row.tenant_id,
            coverage=Coverage(
                events=frozenset(row.events),
                handler=row.handler,
                queue=row.queue,
                tag=row.tag,
                late_after=row.late_after,
            ),
            target=row.target,
        )
        for row in rows
    ]


async def notices_insert(connection: Connection, notices: Sequence[Notice], *, now: datetime | None = None) -> None:
    """Insert notifications."""
    parameters = {
        "ids": [each.id for each in notices],
        "tenants": [each.tenant_id for each in notices],
        "handlers": [each.handler for each in notices],
        "payloads": [each.payload for each in notices],
        "traceparents": [each.traceparent for each in notices],
        "notifies": [each.note for each in notices],
        "owing": [each.owes for each in notices],
        "queue": QUEUE,
        "max_attempts": MAX_ATTEMPTS,
        "timeout": TIMEOUT,
        "backoff": BACKOFF,
        "removal_delay": REMOVAL_DELAY,
        "now": now,
    }
    await _run(connection, "notices_insert", parameters)


async def tasks_settle(connection: Connection, ids: Sequence[UUID]) -> None:
    """Note that everybody has been told of the ends of tasks."""
    await _run(connection, "tasks_settle", {"ids": ids})


async def lapses_settle(connection: Connection, following: Mapping[UUID, datetime | None]) -> None:
    """Note that those were told who had to be, and when the next ones want to know of each task."""
    parameters = {"ids": list(following), "nexts": list(following.values())}
    await _run(connection, "lapses_settle", parameters)


async def fires_settle(connection: Connection, fires: Sequence[OwingFire]) -> None:
    """Note that everybody has been told of fires."""
    parameters = {"schedules": [fire.schedule_id for fire in fires], "nominals": [fire.nominal_at for fire in fires]}
    await _run(connection, "fires_settle", parameters)


async def rules_disable(
    connection: Connection, ids: Sequence[UUID], *, reason: str, now: datetime | None = None
) -> None:
    """Disable rules, and say why."""
    await _run(connection, "rules_disable", {"ids": ids, "reason": reason, "now": now})


async def _run(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Rows:
    return await connection.execute(STATEMENTS[name], parameters)
