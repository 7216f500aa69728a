"""How long to put up with a PostgreSQL that does not answer."""

import asyncio
import time

import structlog

from tidewheel_common.store.errors import is_transient

SHORTEST = 0.1
LONGEST = 1.0
"""Seconds between two tries; doubled each time."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Patience:
    """Waits longer and longer between tries, until a deadline.

    Args:
        until: the deadline, as `time.monotonic()`.

    Attributes:
        tried: whether a try has failed, and may yet have been carried out: its answer was lost, not surely its deed.
    """

    def __init__(self, until: float) -> None:
        self._until = until
        self._pause = SHORTEST
        self.tried = False

    async def endure(self, error: Exception) -> None:
        """Wait before the next try.

        Raises:
            Exception: the error itself, when it is no lost connection or the deadline comes before the next try.
        """
        if not is_transient(error) or time.monotonic() + self._pause > self._until:
            raise error
        if not self.tried:
            log.warning("postgresql is away", error_type=type(error).__name__)
        self.tried = True
        await asyncio.sleep(self._pause)
        self._pause = min(LONGEST, 2 * self._pause)
