"""Finds queued tasks whose hints are not in Redis, and takes them back.

Looking into the streams, and not only at the time, matters: a task may rightly wait in its stream for long, when
executors are busy with long tasks. Were it taken back, its hint would be stale by the time an executor reads it.

A hint that an executor has read but not acknowledged counts as vanished: recovery belongs to PostgreSQL, and Redis'
list of pending entries is not relied upon. Then the hint is doubled, and the claim lets one of them through.
"""

from datetime import datetime
from uuid import UUID

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.stream import Line, depths, remember_queues, unread_hints
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.queries import Place, Queued

BATCH = 1000
"""Rows that one step looks at."""


FUTURE = 5.0
"""Seconds ahead of the clock; what was queued later than that was queued before the clock went back."""


class Search:
    """One walk over all tasks that were queued before an instant, or in the future, the oldest first, batch by batch.

    Each stream is read once, when the first of its tasks comes up: all of these were pushed before the walk began. The
    hint of one that a gateway pushes meanwhile is doubled.
    """

    def __init__(self, engine: Engine, redis: Redis, *, before: datetime, future: datetime, batch: int = BATCH) -> None:
        self._engine = engine
        self._redis = redis
        self._before = before
        self._batch = batch
        self._after: Place | None = None
        self._beyond: Place | None = (future, UUID(int=0))
        self._hints: dict[Line, set[tuple[str, str]]] = {}
        self.taken_back = 0
        """Tasks that the walk has taken back so far."""

    @classmethod
    async def begin(cls, engine: Engine, redis: Redis, *, age: float) -> "Search":
        """Begin a walk over the tasks that were queued more than `age` seconds ago."""
        async with engine.connect() as connection:
            before = await queries.clock_ago(connection, age)
            future = await queries.clock_ago(connection, -FUTURE)
        return cls(engine, redis, before=before, future=future)

    async def step(self) -> bool:
        """Look at one batch; return whether there may be more."""
        if await self._walk():
            return True
        if self._beyond is None:
            return False
        self._after, self._before, self._beyond = self._beyond, queries.END, None
        return await self._walk()

    async def _walk(self) -> bool:
        async with self._engine.connect() as connection:
            tasks = await queries.tasks_queued(connection, before=self._before, after=self._after, most=self._batch)
        await self._read_streams({task.line for task in tasks})
        vanished = [task for task in tasks if not self._waits(task)]
        if vanished:
            async with self._engine.connect() as connection:
                self.taken_back += await queries.tasks_release(connection, vanished)
        if len(tasks) < self._batch:
            return False
        self._after = (tasks[-1].queued_at, tasks[-1].task_id)
        return True

    async def _read_streams(self, lines: set[Line]) -> None:
        unknown = sorted(lines - self._hints.keys())
        await remember_queues(self._redis, {line.queue for line in unknown})
        for line, depth in (await depths(self._redis, unknown)).items():
            self._hints[line] = await unread_hints(self._redis, line, depth) if depth.unread else set()

    def _waits(self, task: Queued) -> bool:
        return (task.task_id.hex, str(task.attempt)) in self._hints[task.line]
