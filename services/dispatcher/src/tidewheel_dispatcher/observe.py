"""Measures the queues, for the metrics alone; nothing depends on it."""

from collections import Counter

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.stream import depths, in_flight, known_queues, lines_of
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.metrics import DispatcherMetrics


class Observe:
    """Looks how much waits where, and for how long."""

    def __init__(self, engine: Engine, redis: Redis, metrics: DispatcherMetrics) -> None:
        self._engine = engine
        self._redis = redis
        self._metrics = metrics

    async def tick(self) -> float | None:
        """Take one look."""
        oldest: dict[str, float] = {}
        async with self._engine.connect() as connection:
            for ready in await queries.lines_ready(connection):
                if ready.due_for is not None:
                    queue = ready.line.queue
                    oldest[queue] = max(ready.due_for, oldest.get(queue, 0.0))
        self._metrics.waits(oldest)
        lines = lines_of(await known_queues(self._redis))
        unread: Counter[str] = Counter()
        for line, depth in (await depths(self._redis, lines)).items():
            unread[line.queue] += depth.unread
        held: Counter[str] = Counter()
        for line, hints in (await in_flight(self._redis, lines)).items():
            held[line.queue] += hints
        self._metrics.holds(unread, held)
        return None
