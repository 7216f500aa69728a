"""The dispatcher's statements, one typed function each. `now` is None in production: the database's clock decides."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from tidewheel_common.core.task import Priority
from tidewheel_common.core.valve import Valve
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Rows
from tidewheel_common.store.sql import load_statements
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.stream import Line

_STATEMENTS = load_statements(__package__)

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
"""Before anything was ever queued."""

WATCH_GAP = 5.0
"""Seconds; the shortest time without any look that begins the schedulers' watch anew."""

END = datetime(9999, 1, 1, tzinfo=UTC)
"""After anything will ever be queued."""


@dataclass(frozen=True, slots=True)
class ReadyLine:
    """A line that has ready rows."""

    line: Line
    due_for: float | None
    """Seconds for which its oldest row has been due; None when all of them are parked."""
    parked: bool
    """Whether it has rows that wait for an executor that serves their handler."""


class Grant(NamedTuple):
    """How many tasks of a line may be queued, of those that were ready at an instant or later."""

    line: Line
    room: int
    after: datetime = BEGINNING


class Queued(NamedTuple):
    """A task that is marked as queued; `queued_at` names this very marking."""

    line: Line
    queued_at: datetime
    task_id: UUID
    attempt: int


Place = tuple[datetime, UUID]
"""A place among the queued tasks: `queued_at` and the task's id."""


class Dispatched(NamedTuple):
    """A task that was just marked as queued, with the hint that is to follow."""

    queued: Queued
    hint: Hint


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What one dispatch did: the tasks that are queued now, and for each line how many rows it took or parked.

    `reached` has for each line the latest instant at which one of these rows was ready.
    """

    queued: list[Dispatched]
    parked: int
    moved: dict[Line, int]
    reached: dict[Line, datetime]


@dataclass(frozen=True, slots=True)
class Offer:
    """What some live executors serve."""

    queues: frozenset[str]
    handlers: frozenset[str]


async def lines_ready(connection: Connection, *, now: datetime | None = None) -> list[ReadyLine]:
    """List every line that has ready rows."""
    rows = await connection.execute(_STATEMENTS["lines_ready"], {"now": now})
    return [ReadyLine(Line(row.queue, Priority(row.priority)), row.due_for, row.parked) for row in rows]


async def tasks_dispatch(
    connection: Connection,
    grants: Sequence[Grant],
    *,
    served: Sequence[tuple[str, str]],
    budget: int,
    park: float,
    minded: Collection[str] = (),
    keyed: bool = False,
    now: datetime | None = None,
) -> Dispatch:
    """Mark the next tasks as queued.

    Args:
        connection: where to.
        grants: the lines, the most urgent first.
        served: pairs of queue and handler; a task of another pair is parked.
        budget: the most rows to move in all.
        park: seconds for which a task is parked.
        minded: the queues whose grants are within their limits; any other queue that has limits is left alone.
        keyed: whether tasks with a concurrency key may be marked: the caller has the turn.
        now: the instant that a test sets.
    """
    rows = await connection.execute(
        _STATEMENTS["tasks_dispatch"],
        {
            "queues": [grant.line.queue for grant in grants],
            "priorities": [int(grant.line.priority) for grant in grants],
            "rooms": [grant.room for grant in grants],
            "afters": [grant.after for grant in grants],
            "served_queues": [queue for queue, _ in served],
            "served_handlers": [handler for _, handler in served],
            "budget": budget,
            "park": park,
            "minded": list(minded),
            "keyed": keyed,
            "now": now,
        },
    )
    queued: list[Dispatched] = []
    moved = {grant.line: 0 for grant in grants}
    lines = {(line.queue, int(line.priority)): line for line in moved}
    reached: dict[Line, datetime] = {}
    for task_id, queue, priority, queued_at, attempt, handler, timeout, lost, traceparent, was_ready_at in rows:
        line = lines[queue, priority]
        moved[line] += 1
        reached[line] = was_ready_at  # a line's rows come in this order
        if queued_at is not None:
            hint = Hint(task_id, attempt, handler, timeout, lost, traceparent)
            queued.append(Dispatched(Queued(line, queued_at, task_id, attempt), hint))
    return Dispatch(queued=queued, parked=sum(moved.values()) - len(queued), moved=moved, reached=reached)


@dataclass(frozen=True, slots=True)
class Key:
    """A concurrency key with tasks in the lines, and how many slots it has free."""

    tenant_id: UUID
    concurrency_key: str
    free: int


async def keyed_ready(connection: Connection) -> bool:
    """Tell whether any task with a concurrency key is in a line."""
    return bool((await connection.execute(_STATEMENTS["keyed_ready"])).scalar_one())


async def keys_turn(connection: Connection) -> bool:
    """Ask for the turn to give out slots until the transaction ends."""
    return bool((await connection.execute(_STATEMENTS["keys_turn"])).scalar_one())


async def keys_parked(connection: Connection, *, after: Key | None, most: int) -> list[Key]:
    """List the next concurrency keys that have tasks in the lines."""
    parameters = {
        "after_tenant": UUID(int=0) if after is None else after.tenant_id,
        "after_key": "" if after is None else after.concurrency_key,
        "most": most,
    }
    rows = await connection.execute(_STATEMENTS["keys_parked"], parameters)
    return [Key(row.tenant_id, row.concurrency_key, row.free) for row in rows]


async def keys_unpark(connection: Connection, keys: Sequence[Key], *, now: datetime | None = None) -> int:
    """Let the first parked tasks of some keys come back, and return how many did."""
    parameters = {
        "tenants": [key.tenant_id for key in keys],
        "keys": [key.concurrency_key for key in keys],
        "frees": [key.free for key in keys],
        "now": now,
    }
    result: Rows = await connection.execute(_STATEMENTS["keys_unpark"], parameters)
    return result.touched


async def limits_exist(connection: Connection) -> tuple[bool, bool]:
    """Tell whether anything is set for a queue, and whether a task with a concurrency key is in a line."""
    row = (await connection.execute(_STATEMENTS["limits_exist"])).one()
    return row.valved, row.keyed


async def queues_valves(
    connection: Connection, *, now: datetime | None = None
) -> tuple[dict[str, Valve], datetime | None]:
    """Read what is set for queues, and the clock; None when nothing is set for any."""
    return _valves(await connection.execute(_STATEMENTS["queues_valves"], {"now": now}))


async def queues_hold(
    connection: Connection, names: Sequence[str], *, now: datetime | None = None
) -> tuple[dict[str, Valve], datetime | None]:
    """Hold what is set for some queues until the transaction ends; what somebody else holds is left out."""
    return _valves(await connection.execute(_STATEMENTS["queues_hold"], {"names": list(names), "now": now}))


def _valves(rows: Rows) -> tuple[dict[str, Valve], datetime | None]:
    found = rows
    valves = {row["name"]: Valve(**{name: value for name, value in row.items() if name != "now"}) for row in found}
    return valves, found[0]["now"] if found else None


async def queues_in_flight(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Count the tasks of some queues that are queued or running."""
    rows = await connection.execute(_STATEMENTS["queues_in_flight"], {"names": list(names)})
    return {row.queue: row.tasks for row in rows}


async def queues_spend(connection: Connection, left: Mapping[str, float], at: datetime) -> None:
    """Write down how much of their rates queues have left at an instant."""
    values = {"names": list(left), "tokens": list(left.values()), "instants": [at] * len(left)}
    await connection.execute(_STATEMENTS["queues_spend"], values)


async def tasks_withdraw(
    connection: Connection, names: Sequence[str], *, most: int, now: datetime | None = None
) -> int:
    """Take back what is queued in some queues, and return how many tasks that were."""
    result: Rows = await connection.execute(
        _STATEMENTS["tasks_withdraw"], {"names": list(names), "most": most, "now": now}
    )
    return result.touched


async def tasks_release(connection: Connection, tasks: Sequence[Queued], *, now: datetime | None = None) -> int:
    """Take queued tasks back to `ready`, and return how many were still queued by the same marking."""
    result: Rows = await connection.execute(
        _STATEMENTS["tasks_release"],
        {
            "ids": [task.task_id for task in tasks],
            "attempts": [task.attempt for task in tasks],
            "queued_ats": [task.queued_at for task in tasks],
            "now": now,
        },
    )
    return result.touched


async def tasks_queued(connection: Connection, *, before: datetime, after: Place | None, most: int) -> list[Queued]:
    """Read the next tasks that were queued before an instant, oldest first, from behind `after` on."""
    queued_at, task_id = after or (BEGINNING, UUID(int=0))
    rows = await connection.execute(
        _STATEMENTS["tasks_queued"], {"before": before, "after": queued_at, "after_id": task_id, "most": most}
    )
    return [Queued(Line(row.queue, Priority(row.priority)), row.queued_at, row.id, row.attempt) for row in rows]


async def queued_count(connection: Connection, *, age: float, now: datetime | None = None) -> dict[Line, int]:
    """Count the queued tasks of each line that were queued more than `age` seconds ago."""
    rows = await connection.execute(_STATEMENTS["queued_count"], {"age": age, "now": now})
    return {Line(row.queue, Priority(row.priority)): row.tasks for row in rows}


async def tasks_unpark(
    connection: Connection, line: Line, handlers: Sequence[str], *, most: int, now: datetime | None = None
) -> int:
    """Let parked tasks of some handlers come back, and return how many did."""
    result: Rows = await connection.execute(
        _STATEMENTS["tasks_unpark"],
        {
            "queue": line.queue,
            "priority": int(line.priority),
            "handlers": list(handlers),
            "most": most,
            "now": now,
        },
    )
    return result.touched


async def executors_live(connection: Connection, *, stale: float, now: datetime | None = None) -> list[Offer]:
    """List what the executors serve whose heartbeat is younger than `stale` seconds."""
    rows = await connection.execute(_STATEMENTS["executors_live"], {"stale": stale, "now": now})
    return [Offer(frozenset(row.queues), frozenset(row.handlers)) for row in rows]


async def watch_witness(connection: Connection, *, now: datetime | None = None) -> datetime | None:
    """Bear witness for the schedulers' watch; return when the clock jumped last, None while none has ever looked."""
    row = await connection.execute(_STATEMENTS["watch_witness"], {"gap": WATCH_GAP, "now": now})
    jumped_at: datetime | None = row.scalar_one_or_none()
    return jumped_at


async def clock_ago(connection: Connection, seconds: float, *, now: datetime | None = None) -> datetime:
    """Tell the instant that was some seconds ago."""
    row = (await connection.execute(_STATEMENTS["clock_ago"], {"seconds": seconds, "now": now})).one()
    instant: datetime = row.instant
    return instant
