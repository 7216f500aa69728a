"""The relay: marks ready tasks as queued, commits, then pushes their hints to Redis.

In this order a task can be marked without being pushed, but never pushed without being marked. When the push fails, the
tasks are taken back at once; when this process dies in between, the overdue sweep finds them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from tidewheel_common.process.failpoints import fp
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.streams.client import TRANSIENT, Redis
from tidewheel_common.streams.stream import Depth, Line, depths, ensure_groups, lines_of, push
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.grants import crowded, next_tick, share, urgent_first
from tidewheel_dispatcher.limits import mark_within_limits
from tidewheel_dispatcher.lookout import Lookout
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.queries import Dispatch, Dispatched
from tidewheel_dispatcher.served import Roster
from tidewheel_dispatcher.spans import dispatch_spans
from tidewheel_dispatcher.window import Window

BUDGET = 1000
"""Tasks that one tick moves at most."""

PARK = 3600.0
"""Seconds for which a task is parked. An executor that serves it brings it back at once; this is the safety net."""

FORGET = 600.0
"""Seconds after which what was learnt of a queue's pace is worth nothing."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Relay:
    """Keeps the streams filled, each up to its window.

    Args:
        engine: PostgreSQL, each statement a transaction of its own.
        redis: where the hints go.
        roster: who serves what.
        metrics: counts what it does.
        suspect: set when a stream is missing: its queue is new, or Redis was emptied.
        budget: tasks that one tick moves at most.
        clock: seconds that never jump.
    """

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        roster: Roster,
        metrics: DispatcherMetrics,
        *,
        suspect: asyncio.Event,
        budget: int = BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._roster = roster
        self._metrics = metrics
        self._suspect = suspect
        self._budget = budget
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self._lookout = Lookout(clock=clock)
        self._refused = False

    async def tick(self) -> float | None:
        """Move one batch."""
        return self._lookout.within(await self._move())

    async def _move(self) -> float | None:
        await self._roster.refresh()
        due, limited, keyed = await self._due()
        if not due:
            return None
        queues = sorted({line.queue for line in due})
        found = await depths(self._redis, lines_of(queues))
        await self._mend_groups(found)
        self._measure(queues, found)
        rooms = {line: self._windows[line.queue].room(found[line].unread) for line in due}
        if not any(rooms.values()):
            return next_tick(rooms, [], {}, self._budget)
        if limited or keyed:
            dispatch, rooms = await mark_within_limits(self._engine, rooms, limited, self._mark, keyed=keyed)
        else:
            async with self._engine.connect() as connection:
                dispatch = await self._mark(connection, rooms, False)
        if dispatch.queued:
            fp("dispatcher.marked")
        await self._push(dispatch.queued)
        fp("dispatcher.pushed")
        self._remember(queues, rooms, dispatch)
        return next_tick(rooms, share(rooms, self._budget), dispatch.moved, self._budget)

    async def _due(self) -> tuple[list[Line], set[str], bool]:
        """List the lines that have something to dispatch, the most urgent first; say which queues have limits.

        And whether there are tasks with a concurrency key.
        """
        async with self._engine.connect() as connection:
            ready = await self._lookout.look(connection)
            if not ready:
                return [], set(), False
            valved, keyed = await queries.limits_exist(connection)
            valves, now = await queries.queues_valves(connection) if valved else ({}, None)
        paused = {valve.name for valve in valves.values() if now is not None and valve.paused(now)}
        lines = urgent_first(
            each for each in ready if each.line.queue not in paused and self._roster.served.serves(each.line.queue)
        )
        return lines, {line.queue for line in lines if line.queue in valves and valves[line.queue].limited}, keyed

    async def _mend_groups(self, found: Mapping[Line, Depth]) -> None:
        """Create the streams that are missing, so that no hint is added that a later group would not see."""
        missing = {line.queue for line, depth in found.items() if not depth.grouped}
        if missing:
            await ensure_groups(self._redis, sorted(missing))
            self._suspect.set()

    def _measure(self, queues: Sequence[str], found: Mapping[Line, Depth]) -> None:
        now = self._clock()
        for queue in [queue for queue, window in self._windows.items() if now - window.since >= FORGET]:
            del self._windows[queue]
            self._metrics.window.remove(queue)
        for queue in queues:
            unread = sum(found[line].unread for line in lines_of([queue]))
            window = self._windows.get(queue, Window(since=now, expected=unread)).measured(unread, now)
            self._windows[queue] = window
            self._metrics.window.labels(queue=queue).set(window.size)

    async def _mark(self, connection: Connection, rooms: Mapping[Line, int], keyed: bool) -> Dispatch:
        grants = [each._replace(after=self._lookout.after(each.line)) for each in share(rooms, self._budget)]
        if not grants:
            return Dispatch(queued=[], parked=0, moved={}, reached={})
        served = self._roster.served
        queues = sorted({grant.line.queue for grant in grants})
        dispatch = await queries.tasks_dispatch(
            connection,
            grants,
            served=[(queue, handler) for queue in queues for handler in sorted(served.handlers(queue))],
            budget=self._budget,
            park=PARK,
            keyed=keyed,
        )
        self._lookout.dispatched(dispatch.reached)
        self._metrics.parked.inc(dispatch.parked)
        return dispatch

    async def _push(self, tasks: Sequence[Dispatched]) -> None:
        with dispatch_spans(tasks) as hints:
            try:
                await push(self._redis, hints)
            except TRANSIENT:
                await self._release(tasks)
                raise
        self._metrics.pushed.inc(len(tasks))
        self._refused = False

    async def _release(self, tasks: Sequence[Dispatched]) -> None:
        async with self._engine.connect() as connection:
            released = await queries.tasks_release(connection, [task.queued for task in tasks])
        self._metrics.released.inc(released)
        # A line for each streak: the loop tries again and again.
        (log.debug if self._refused else log.warning)("hints refused", tasks=len(tasks), released=released)
        self._refused = True

    def _remember(self, queues: Sequence[str], rooms: Mapping[Line, int], dispatch: Dispatch) -> None:
        pushed = Counter(task.queued.line.queue for task in dispatch.queued)
        full = crowded(rooms, dispatch.moved)
        for queue in queues:
            self._windows[queue] = self._windows[queue].filled(pushed[queue], crowded=queue in full)
