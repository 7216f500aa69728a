"""Tells whether a silent executor may be believed lost.

Heartbeats grow stale in two innocent ways: PostgreSQL was away, so that nobody could write one, or its clock jumped. In
both, every running task would look lost at once. So silence counts only after PostgreSQL has been watched for a while
without a gap and without a jump (research: reliability, 2.6).
"""

import time
from collections.abc import Callable
from datetime import datetime

LONGEST_GAP = 5.0
"""Seconds between two looks, or by which the database's clock may run ahead of ours between them."""


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
        return gap > LONGEST_GAP or abs((database - last_database).total_seconds() - gap) > LONGEST_GAP
