"""How many hints of each handler may share an entry: executors have learnt it, and whoever pushes hints bundles by it.

It is a hint like all that Redis holds. Where it is missing, entries carry one hint each; where it is out of date,
executors divide what they cannot take whole. What was told last counts: executors of very different speed divide more.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from redis.client import Pipeline

from tidewheel_common.streams.bundle import LARGEST
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.keys import BUNDLE_SIZES

FORGOTTEN_AFTER = 600
"""Seconds after which nothing is known, if no executor says anything."""

REFRESH = 0.2
"""Seconds for which an answer of Redis is good."""


def tell_bundle_sizes(pipeline: Pipeline, sizes: Mapping[str, int]) -> None:
    """Say how many hints of some handlers may share an entry."""
    if sizes:
        pipeline.hset(BUNDLE_SIZES, mapping=dict(sizes.items()))
        pipeline.expire(BUNDLE_SIZES, FORGOTTEN_AFTER)


async def read_bundle_sizes(redis: Redis) -> dict[str, int]:
    """Return how many hints of each handler that executors know may share an entry."""
    found: Any = await redis.hgetall(BUNDLE_SIZES)
    return {handler.decode(): min(int(size), LARGEST) for handler, size in found.items() if size.isdigit()}


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
