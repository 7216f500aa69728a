"""Tells whether a silent executor may be believed lost.

Heartbeats grow stale in two innocent ways: PostgreSQL was away, so that nobody could write one, or its clock jumped. In
both, every running task would look lost at once. So silence counts only after PostgreSQL has been watched for a while
without a gap and without a jump (research: reliability, 2.6).

A jump forwards also ends leases that were written before it. Executors measure their leases by a clock that never
jumps, so these leases hold longer by as much as the clock has jumped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

LONGEST_GAP = 5.0
"""Seconds between two looks, or by which the database's clock may run ahead of ours between them."""


log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Jump:
    """A leap of the database's clock."""

    at: datetime
    """The first instant after it, by that clock."""
    seconds: float
    """By how much it, and those before it, went forwards."""


class Vigil:
    """Watches the database's clock.

    Args:
        patience: seconds of undisturbed watching after which silence counts.
        clock: seconds that never jump; only differences count.
    """

    def __init__(self, *, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._since: float | None = None
        self._last: tuple[float, datetime] | None = None
        self.jump: Jump | None = None
        """The last jump forwards that was seen."""

    def look(self, database: datetime) -> bool:
        """Note what the database's clock says and tell whether silence counts by now."""
        here = self._clock()
        if self._since is None or self._disturbed(here, database):
            self._since = here
        self._last = (here, database)
        return here - self._since >= self._patience

    def _disturbed(self, here: float, database: datetime) -> bool:
        if self._last is None:
            return False
        last_here, last_database = self._last
        gap = here - last_here
        leap = (database - last_database).total_seconds() - gap
        if abs(leap) > LONGEST_GAP:
            log.warning("the clock of the database has jumped", seconds=round(leap, 1))
        if leap > LONGEST_GAP:
            self.jump = Jump(database, leap + (self.jump.seconds if self.jump is not None else 0.0))
        return gap > LONGEST_GAP or abs(leap) > LONGEST_GAP
