"""How many hints of a handler may share an entry, as executors say; remembered for a moment."""

import time
from collections.abc import Callable, Mapping

from tidewheel_common.streams.bundle_sizes import read_bundle_sizes
from tidewheel_common.streams.client import Redis

REFRESH = 0.2
"""Seconds for which an answer of Redis is good."""


class BundleSizes:
    """Keeps what Redis says of the handlers fresh.

    Args:
        redis: where executors say it.
        clock: seconds that never jump.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._sizes: Mapping[str, int] = {}
        self._refreshed_at: float | None = None

    async def refresh(self) -> None:
        """Ask Redis, unless it was asked a moment ago.

        Raises:
            RedisError: Redis does not answer.
        """
        now = self._clock()
        if self._refreshed_at is None or now - self._refreshed_at >= REFRESH:
            self._sizes = await read_bundle_sizes(self._redis)
            self._refreshed_at = now

    def of(self, handler: str) -> int:
        """Return how many hints of a handler may share an entry; one, if nobody has said anything of it."""
        return self._sizes.get(handler, 1)
