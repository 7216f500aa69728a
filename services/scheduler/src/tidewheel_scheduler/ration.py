"""How much may be done in a minute."""

import time
from collections.abc import Callable

import structlog

MINUTE = 60.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Ration:
    """Grows steadily up to what a minute allows; says so when it has run out.

    Args:
        a_minute: how much may be done in a minute.
        clock: seconds that never jump.
    """

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = a_minute
        self._clock = clock
        self._left = float(a_minute)
        self._grown_at = clock()
        self._short = False

    def left(self) -> int:
        """Return how much may be done now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._grown_at) * self._most / MINUTE)
        self._grown_at = now
        short = self._left < 1
        if short and not self._short:
            log.warning(
                "more executors seem to be lost than may be rescued at once; the rest waits", a_minute=self._most
            )
        self._short = short or (self._short and self._left < self._most / 2)
        return int(self._left)

    def spend(self, amount: int) -> None:
        """Take away what was done."""
        self._left -= amount
