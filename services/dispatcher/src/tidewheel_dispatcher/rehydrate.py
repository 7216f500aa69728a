"""Notices that Redis has lost data, or may have, and brings back what was in it.

Signals: the epoch is gone (FLUSHALL, eviction, first start), the server is another one than it was written to (restart,
failover), or the streams hold less than they can. Then every task that was queued before and whose hint is not there
goes back to `ready`; the epoch is written last. Running tasks are not touched: their truth is the lease in PostgreSQL.
"""

import asyncio

import structlog

from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.epoch import Signature, begin_epoch, finish_epoch, read_signature
from tidewheel_common.streams.stream import EMPTY, Line, depths, ensure_groups, hints_in, known_queues, lines_of
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.vanished import Search

GRACE = 3.0
"""Seconds that a push may take. Whatever was queued longer ago is in its stream, in flight, or lost."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Rehydrate:
    """Watches over Redis' data, and refills it from PostgreSQL.

    Args:
        engine: PostgreSQL, each statement a transaction of its own.
        redis: what is watched.
        metrics: counts what it does.
        wake: set when the relay has something to do.
    """

    def __init__(self, engine: Engine, redis: Redis, metrics: DispatcherMetrics, *, wake: asyncio.Event) -> None:
        self._engine = engine
        self._redis = redis
        self._metrics = metrics
        self._wake = wake
        self._mending: tuple[Search, Signature] | None = None

    async def tick(self) -> float | None:
        """Look for a loss, or move one batch of what was lost."""
        mending = self._mending or await self._begin()
        if mending is None:
            return None
        search, signature = mending
        before = search.taken_back
        self._mending = mending if await search.step() else None
        if search.taken_back > before:
            self._metrics.rehydrated.inc(search.taken_back - before)
            self._wake.set()
        if self._mending is None:
            await self._finish(search, signature)
        return AGAIN

    async def _begin(self) -> tuple[Search, Signature] | None:
        """Begin to put things right when something was lost."""
        signature = await read_signature(self._redis)
        if not (signal := await self._signal(signature)):
            return None
        log.warning("redis may have lost data", signal=signal)
        self._metrics.losses.inc()
        await begin_epoch(self._redis)
        fp("dispatcher.rehydrating")
        return await Search.begin(self._engine, self._redis, age=0.0), signature

    async def _signal(self, signature: Signature) -> str | None:
        """Return what says that something may have been lost."""
        if signature.epoch is None:
            return "no epoch"
        if not signature.trusted:
            return "another epoch"
        return "short stream" if await self._short() else None

    async def _short(self) -> bool:
        """Tell whether a stream holds fewer hints than there are tasks queued in it.

        The streams are read before the tasks are counted: a task that is still queued then, and was pushed before, had
        its hint when its stream was read, since only whoever has claimed a task deletes its entry. Only where there are
        fewer entries than tasks are the hints in them counted.
        """
        found = await depths(self._redis, lines_of(await known_queues(self._redis)))
        queued = await self._queued()
        doubtful = [line for line, tasks in queued.items() if found.get(line, EMPTY).entries < tasks]
        if not doubtful:
            return False
        held = {line: await hints_in(self._redis, line) for line in doubtful}
        queued = await self._queued()
        return any(hints < queued.get(line, 0) for line, hints in held.items())

    async def _queued(self) -> dict[Line, int]:
        async with self._engine.connect() as connection:
            return await queries.queued_count(connection, age=GRACE)

    async def _finish(self, search: Search, signature: Signature) -> None:
        async with self._engine.connect() as connection:
            ready = await queries.lines_ready(connection)
        await ensure_groups(self._redis, sorted({each.line.queue for each in ready}))
        fp("dispatcher.rehydrated")
        whole = await finish_epoch(self._redis, signature)
        log.warning("redis rehydrated", tasks=search.taken_back, again=not whole)
