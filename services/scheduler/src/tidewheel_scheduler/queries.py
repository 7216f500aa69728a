"""The scheduler's statements, one typed function each. `now` is None in production: the database's clock decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.core.decide import Transition
from tidewheel_common.core.lifecycle import State
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Rows
from tidewheel_common.store.sql import load_statements

STATEMENTS = load_statements("tidewheel_scheduler")

LONGEST_REMOVAL_DELAY = 100 * 366 * 86400.0
"""Seconds; a longer one is cut, so that one absurd row cannot overflow a date and stop a sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostTask:
    """A running task whose executor is gone."""

    id: UUID
    attempt: int
    failures: int
    lost: int
    delivery: str
    max_attempts: int
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one attempt of a lost task."""

    id: UUID
    attempt: int
    transition: Transition


async def clock_read(connection: Connection, *, now: datetime | None) -> datetime:
    """Read the database's clock."""
    instant: datetime = (await _run(connection, "clock_read", {"now": now})).scalar_one()
    return instant


async def watch_look(
    connection: Connection, *, now: datetime | None, gap: float, jumped: bool, newcomer: bool
) -> dict[str, datetime]:
    """Note a look at the store; return `now`, `since` when it has been there and `jumped_at`.

    Args:
        connection: without a transaction.
        now: the instant to act at.
        gap: seconds for which nobody may have looked.
        jumped: whether the clock has jumped since this process looked last.
        newcomer: whether this process has not looked before.
    """
    values = {"now": now, "gap": gap, "jumped": jumped, "newcomer": newcomer}
    return dict((await _run(connection, "watch_look", values)).one())


async def clock_jumped(connection: Connection) -> datetime | None:
    """Tell when the clock has jumped last, as far as it was noted."""
    jumped_at: datetime | None = (await _run(connection, "clock_jumped", {})).scalar_one()
    return jumped_at


async def pauses_rebase(connection: Connection, *, now: datetime | None, slack: float, size: int) -> int:
    """Count up to `size` pauses anew that began more than `slack` seconds in the future; return how many there were."""
    return (await _run(connection, "pauses_rebase", {"now": now, "slack": slack, "size": size})).touched


async def tasks_promote(connection: Connection, *, now: datetime | None, size: int) -> list[float]:
    """Make ready up to `size` tasks that are due; return how many seconds late each one was."""
    return list((await _run(connection, "tasks_promote", {"now": now, "size": size})).scalars())


async def tasks_next_due(connection: Connection, *, now: datetime | None) -> float | None:
    """Return in how many seconds the next waiting task is due; negative when it already is, None when none waits."""
    seconds: float | None = (await _run(connection, "tasks_next_due", {"now": now})).scalar_one()
    return seconds


async def tasks_expire(connection: Connection, *, now: datetime | None, size: int) -> list[UUID]:
    """End up to `size` tasks that have not started in time; return their ids."""
    values = {"now": now, "size": size, "longest": LONGEST_REMOVAL_DELAY}
    return list((await _run(connection, "tasks_expire", values)).scalars())


async def tasks_lapse(connection: Connection, *, now: datetime | None, size: int) -> list[bool]:
    """Look at up to `size` tasks that should have begun by now; return of each whether it has not."""
    return list((await _run(connection, "tasks_lapse", {"now": now, "size": size})).scalars())


async def tasks_lost(
    connection: Connection,
    *,
    now: datetime,
    stale: float,
    jumped_at: datetime,
    slack: float,
    size: int,
) -> list[LostTask]:
    """Hold up to `size` running tasks whose executor is gone, until the transaction ends.

    Args:
        connection: inside a transaction.
        now: the instant to act at.
        stale: seconds without a heartbeat after which an executor is lost.
        jumped_at: when the clock jumped last.
        slack: seconds ahead of the clock from which on an instant is from before a jump.
        size: the most rows to hold.
    """
    values = {"now": now, "stale": stale, "jumped_at": jumped_at, "slack": slack, "size": size}
    rows = await _run(connection, "tasks_lost", values)
    return [LostTask(**row) for row in rows]


async def tasks_rescue(
    connection: Connection, verdicts: Sequence[Verdict], *, now: datetime | None
) -> list[tuple[UUID, State]]:
    """Carry out the verdicts on attempts that still run; return the tasks that moved, and where to."""
    transitions = [verdict.transition for verdict in verdicts]
    values = {
        "now": now,
        "longest": LONGEST_REMOVAL_DELAY,
        "ids": [verdict.id for verdict in verdicts],
        "attempts": [verdict.attempt for verdict in verdicts],
        "states": [transition.state.value for transition in transitions],
        "losts": [transition.lost for transition in transitions],
        "waits": [transition.wait for transition in transitions],
        "reasons": [transition.reason for transition in transitions],
    }
    return [(row.id, State(row.state)) for row in await _run(connection, "tasks_rescue", values)]


async def parents_ended(connection: Connection, *, size: int) -> list[UUID]:
    """Hold up to `size` tasks that have ended and whose dependants were not told, until the transaction ends."""
    return list((await _run(connection, "parents_ended", {"size": size})).scalars())


async def dependants_release(
    connection: Connection, parents: Sequence[UUID], *, now: datetime | None
) -> list[tuple[UUID, State]]:
    """Tell the dependants of tasks that are held; return them, and where they are now."""
    values = {"now": now, "ids": list(parents), "longest": LONGEST_REMOVAL_DELAY}
    return [(row.id, State(row.state)) for row in await _run(connection, "dependants_release", values)]


async def executors_forget(connection: Connection, *, now: datetime | None, silence: float) -> None:
    """Forget executors that have been silent for `silence` seconds and hold no task."""
    await _run(connection, "executors_forget", {"now": now, "silence": silence})


async def handlers_forget(connection: Connection, *, now: datetime | None, silence: float) -> None:
    """Forget variants of handlers that no executor has had for `silence` seconds."""
    await _run(connection, "handlers_forget", {"now": now, "silence": silence})


async def _run(connection: Connection, name: str, values: Mapping[str, object]) -> Rows:
    return await connection.execute(STATEMENTS[name], values)
