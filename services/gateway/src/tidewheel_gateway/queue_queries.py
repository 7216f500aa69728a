"""The statements about queues and about what a task waits for, one typed function each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.valve import Valve
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Row
from tidewheel_common.store.sql import load_statements
from tidewheel_gateway.records import TaskRecord

_STATEMENTS = load_statements("tidewheel_gateway")

MOST_PARENTS: Final = 20
"""Open parents that an explanation names."""


MOST_AHEAD: Final = 10_000
"""So many tasks before another are counted at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How many tasks of a queue are in a state; `since` is when the oldest one became ready, at `now`."""

    queue: str
    state: str
    tasks: int
    since: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenParent:
    """A parent that has not counted yet; its state is None when it was removed."""

    id: UUID
    state: State | None


async def queue_set(
    connection: Connection, name: str, changes: Mapping[str, Any], *, now: datetime | None = None
) -> tuple[Valve, datetime]:
    """Change what is set for a queue, and return it with the database's clock.

    Args:
        connection: where.
        name: the queue.
        changes: `pause` (with `paused_until`), `rate`, `concurrency`; what is missing stays.
        now: instead of the database's clock.
    """
    parameters = {
        "name": name,
        "set_pause": "pause" in changes,
        "pause": changes.get("pause", False),
        "paused_until": changes.get("paused_until"),
        "set_rate": "rate" in changes,
        "rate": changes.get("rate"),
        "set_concurrency": "concurrency" in changes,
        "concurrency": changes.get("concurrency"),
        "now": now,
    }
    row = (await connection.execute(_STATEMENTS["queue_set"], parameters)).one()
    return _valve(row), row["now"]


async def queues_valves(connection: Connection, name: str | None = None) -> dict[str, Valve]:
    """Read what is set for queues."""
    rows = await connection.execute(_STATEMENTS["queues_valves"], {"name": name})
    return {row["name"]: _valve(row) for row in rows}


def _valve(row: Row) -> Valve:
    return Valve(**{name: value for name, value in row.items() if name != "now"})


async def line_ahead(connection: Connection, task: TaskRecord) -> int:
    """Count the ready tasks of its queue and priority that go before a ready task, up to `MOST_AHEAD`."""
    parameters = {
        "queue": task.queue,
        "priority": task.priority,
        "ready_at": task.ready_at,
        "id": task.id,
        "most": MOST_AHEAD,
    }
    count: int = (await connection.execute(_STATEMENTS["line_ahead"], parameters)).scalar_one()
    return count


async def queue_in_flight(connection: Connection, queue: str) -> int:
    """Count the tasks of a queue that are queued or running."""
    count: int = (await connection.execute(_STATEMENTS["queue_in_flight"], {"queue": queue})).scalar_one()
    return count


async def queues_depths(connection: Connection, tenant_id: UUID) -> Sequence[QueueDepth]:
    """Count a tenant's tasks by queue and state."""
    rows = await connection.execute(_STATEMENTS["queues_depths"], {"tenant_id": tenant_id})
    return [QueueDepth(**row) for row in rows]


async def key_holders(connection: Connection, tenant_id: UUID, key: str, *, most: int) -> tuple[UUID, ...]:
    """Read which tasks have a concurrency key's slots."""
    parameters = {"tenant_id": tenant_id, "key": key, "most": most}
    return tuple(row.id for row in await connection.execute(_STATEMENTS["key_holders"], parameters))


async def parents_open(connection: Connection, task_id: UUID) -> tuple[OpenParent, ...]:
    """Read the first parents of a task that have not counted yet."""
    rows = await connection.execute(_STATEMENTS["parents_open"], {"id": task_id, "most": MOST_PARENTS})
    return tuple(OpenParent(id=row.id, state=None if row.state is None else State(row.state)) for row in rows)
