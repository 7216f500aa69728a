"""The scheduler's statements about schedules, one typed function each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tidewheel_common.core.turn import Entry
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Rows
from tidewheel_scheduler.queries import LONGEST_REMOVAL_DELAY, STATEMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule whose time has come; `now` is the database's clock when it was held."""

    id: UUID
    every: float | None
    cron: str | None
    timezone: str
    rule: str
    starts_at: datetime
    next_run_at: datetime | None
    overlap: str
    fired: int
    held_at: datetime | None
    failures: int
    now: datetime
    open_runs: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedSchedule:
    """A schedule whose pause is over."""

    id: UUID
    every: float | None
    cron: str | None
    timezone: str
    rule: str
    starts_at: datetime
    paused_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An entry for the ledger; where it fires, with its task, when that runs and when it expires unstarted."""

    entry: Entry
    task_id: UUID | None
    run_at: datetime | None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a schedule does when its time has come.

    Attributes:
        schedule_id: whose turn it is.
        at: when it is taken.
        entries: for the ledger.
        following_at: the next nominal time.
        held_at: the nominal time that waits for a run to end.
        spent: how many fires it takes from `max_fires`.
        ends: whether this was the last turn.
        cancel: runs to cancel.
    """

    schedule_id: UUID
    at: datetime
    entries: tuple[Written, ...]
    following_at: datetime | None
    held_at: datetime | None
    spent: int
    ends: bool
    cancel: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How the schedules stand.

    Attributes:
        seconds: until the next one is due; negative when it already is, None when none is.
        failing: how many wait for another try of a refused fire.
    """

    seconds: float | None
    failing: int


async def schedules_due(connection: Connection, *, now: datetime | None, size: int) -> list[DueSchedule]:
    """Hold up to `size` schedules that are due, until the transaction ends."""
    rows = await _run(connection, "schedules_due", {"now": now, "size": size})
    return [DueSchedule(**row) for row in rows]


async def schedules_retrying(connection: Connection, *, now: datetime | None, size: int) -> list[DueSchedule]:
    """Hold up to `size` schedules whose fire was refused and is to be tried again."""
    rows = await _run(connection, "schedules_retrying", {"now": now, "size": size})
    return [DueSchedule(**row) for row in rows]


async def schedules_freed(connection: Connection, *, now: datetime | None, size: int) -> list[DueSchedule]:
    """Hold up to `size` schedules with a fire that waited for a run which has ended."""
    rows = await _run(connection, "schedules_freed", {"now": now, "size": size})
    return [DueSchedule(**row) for row in rows]


async def schedules_fire(connection: Connection, turns: Sequence[Turn], *, now: datetime | None) -> list[UUID]:
    """Let each schedule take its turn; return the ids of the tasks that were born, none for a time that had fired."""
    pairs = [(turn.schedule_id, written) for turn in turns for written in turn.entries]
    fired = [[each.entry.nominal_at for each in turn.entries if each.task_id is not None] for turn in turns]
    values = {
        "now": now,
        "schedule_ids": [turn.schedule_id for turn in turns],
        "followings": [turn.following_at for turn in turns],
        "lasts": [max(times, default=None) for times in fired],
        "helds": [turn.held_at for turn in turns],
        "counts": [turn.spent for turn in turns],
        "ends": [turn.ends for turn in turns],
        "entry_ids": [schedule_id for schedule_id, _ in pairs],
        "nominals": [written.entry.nominal_at for _, written in pairs],
        "outcomes": [written.entry.outcome.value for _, written in pairs],
        "reasons": [written.entry.reason for _, written in pairs],
        "task_ids": [written.task_id for _, written in pairs],
        "run_ats": [written.run_at for _, written in pairs],
        "expires_ats": [written.expires_at for _, written in pairs],
    }
    return list((await _run(connection, "schedules_fire", values)).scalars())


async def tasks_supersede(connection: Connection, task_ids: Sequence[UUID], *, now: datetime | None) -> list[UUID]:
    """Cancel the runs that newer fires replace; return those that were not final yet."""
    values = {"now": now, "ids": list(task_ids), "longest": LONGEST_REMOVAL_DELAY}
    return list((await _run(connection, "tasks_supersede", values)).scalars())


async def schedules_waking(connection: Connection, *, now: datetime | None, size: int) -> list[PausedSchedule]:
    """Hold up to `size` schedules whose pause is over."""
    rows = await _run(connection, "schedules_waking", {"now": now, "size": size})
    return [PausedSchedule(**row) for row in rows]


async def schedules_wake(
    connection: Connection, woken: Sequence[tuple[UUID, datetime | None]], *, now: datetime | None
) -> None:
    """Let schedules go on, each with its next time; without one it has ended."""
    values = {"now": now, "ids": [each for each, _ in woken], "followings": [following for _, following in woken]}
    await _run(connection, "schedules_wake", values)


async def schedules_pause(connection: Connection, schedule_id: UUID, *, reason: str, now: datetime | None) -> None:
    """Pause a schedule that no clock can follow."""
    await _run(connection, "schedules_pause", {"now": now, "id": schedule_id, "reason": reason})


async def schedules_put_off(
    connection: Connection, schedule_id: UUID, *, reason: str, wait: float, now: datetime | None
) -> None:
    """Write down why a fire was refused; it is tried again after `wait` seconds."""
    values = {"now": now, "id": schedule_id, "reason": reason, "wait": wait}
    await _run(connection, "schedules_put_off", values)


async def schedules_outlook(connection: Connection, *, now: datetime | None) -> Outlook:
    """Return when the next schedule is due, and how many are being refused."""
    return Outlook(**(await _run(connection, "schedules_outlook", {"now": now})).one())


async def _run(connection: Connection, name: str, values: Mapping[str, object]) -> Rows:
    return await connection.execute(STATEMENTS[name], values)
