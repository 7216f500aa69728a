"""Tells whether a silent executor may be believed lost.

Heartbeats grow stale in two innocent ways: PostgreSQL was away, so that nobody could write one, or its clock jumped. In
both, every running task would look lost at once. So silence counts only after PostgreSQL has been watched, without a
gap and without a jump, for as long as executors need to be heard again (research: reliability, 2.6; ADR 41).

What was watched is kept in PostgreSQL, in one row of the table `watch`: a scheduler that starts goes on where another
has stopped. A gap shows in that row. A jump of the clock shows, too, to whoever has looked before and after it and
holds the database's clock against one of its own that never jumps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries

SHORTEST_GAP = 5.0
"""Seconds; a scheduler that looks every second, on a busy machine, leaves no longer gap than this."""

LEAP = 1.0
"""Seconds by which the database's clock must differ from ours before that counts as a jump."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def longest_gap(stale: float) -> float:
    """Return for how many seconds nobody may have looked without the watch beginning anew.

    Half of the time after which silence counts: if PostgreSQL was away for that long, the other half is what executors
    have for being heard again. It is also longer than a scheduler needs to start, so that a killed one leaves no gap.
    """
    return max(SHORTEST_GAP, stale / 2)


def hearing(stale: float) -> float:
    """Return for how many seconds the watch must have lasted before silence counts.

    It is what executors have for being heard again after PostgreSQL was away, however long that was: no more than they
    have after the longest gap. What is silent for `stale` seconds by then is lost.
    """
    return stale / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the database's clock says, and since when it can be relied on."""

    now: datetime
    since: datetime
    """PostgreSQL has been there ever since, and its clock did not jump."""
    jumped_at: datetime
    """The first instant after the last jump of the clock; or after a gap in which it may have jumped unseen."""

    def lasted(self, seconds: float) -> bool:
        """Tell whether the watch has lasted for so long."""
        return self.now - self.since >= timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Look:
    asked: float
    answered: float
    database: datetime


class Vigil:
    """Watches PostgreSQL and its clock.

    Args:
        engine: the database.
        gap: seconds for which nobody may have looked without the watch beginning anew.
        clock: seconds that never jump; only differences count.
    """

    def __init__(self, engine: Engine, *, gap: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.gap = gap
        self._engine = engine
        self._clock = clock
        self._last: _Look | None = None

    async def look(self, now: datetime | None = None) -> Watched:
        """Take a look, and return what was watched until now, by whomever."""
        # Without a transaction: a scheduler that freezes must not hold the row.
        async with self._engine.connect() as connection:
            asked = self._clock()
            database = await queries.clock_read(connection, now=now)
            look = _Look(asked, self._clock(), database)
            leap = 0.0 if self._last is None else leap_between(self._last, look)
            watched = await queries.watch_look(
                connection, now=now, gap=self.gap, jumped=abs(leap) > LEAP, newcomer=self._last is None
            )
        self._last = look
        if abs(leap) > LEAP:
            log.warning("the clock of the database has jumped", seconds=round(leap, 1))
        return Watched(**watched)


def leap_between(last: _Look, this: _Look) -> float:
    """Return by how many seconds the database's clock has surely jumped between two looks; backwards is negative.

    Asking takes time, and a process may be frozen while it waits for the answer: the real time between two readings of
    the database's clock is known only within bounds.
    """
    passed = (this.database - last.database).total_seconds()
    least, most = this.asked - last.answered, this.answered - last.asked
    return max(passed - most, 0.0) + min(passed - least, 0.0)
