"""The overdue sweep: no signal says that a hint was lost, but its task was queued long ago and nobody claimed it."""

import asyncio

import structlog

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.client import Redis
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.vanished import Search

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Overdue:
    """Takes back tasks that were queued too long ago and whose hint is nowhere to be found.

    Args:
        engine: PostgreSQL, each statement a transaction of its own.
        redis: where the hints are.
        metrics: counts what it does.
        age: seconds that a task may be queued before it is looked for.
        wake: set when the relay has something to do.
    """

    def __init__(
        self, engine: Engine, redis: Redis, metrics: DispatcherMetrics, *, age: float, wake: asyncio.Event
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._metrics = metrics
        self._age = age
        self._wake = wake
        self._search: Search | None = None

    async def tick(self) -> float | None:
        """Look at one batch."""
        search = self._search or await Search.begin(self._engine, self._redis, age=self._age)
        more = await search.step()
        self._search = search if more else None
        if more:
            return AGAIN
        if search.taken_back:
            log.warning("hints overdue", tasks=search.taken_back, age=self._age)
            self._metrics.overdue.inc(search.taken_back)
            self._wake.set()
        return None
