"""The relay: marks ready tasks as queued, commits, then pushes their hints to Redis.

In this order a task can be marked without being pushed, but never pushed without being marked. When the push fails, the
tasks are taken back at once; when this process dies in between, the overdue sweep finds them.

A tick is one statement and one push, as long as it knows where to look: which lines there are, what is set for their
queues, and how much room they have changes little from one task to the next. What it goes by may be out of date, so
the statement itself leaves a queue alone for which something was set meanwhile, and the look that is due, or that
follows when nothing was found, sees what is new.

A queue in which nothing is left after a look is open: gateways push what is new in it themselves.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.streams.bundle_sizes import BundleSizes
from tidewheel_common.streams.client import TRANSIENT, Redis
from tidewheel_common.streams.spans import dispatch_spans
from tidewheel_common.streams.stream import Addressed, Line, push
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.grants import ROOM_PAUSE, crowded, cut_short, share, urgent_first
from tidewheel_dispatcher.limits import mark_within_limits
from tidewheel_dispatcher.lookout import Lookout
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.openings import tell_openings
from tidewheel_dispatcher.queries import Dispatch, Dispatched
from tidewheel_dispatcher.rooms import Rooms
from tidewheel_dispatcher.served import Roster

BUDGET = 1000
"""Tasks that one tick moves at most."""

PARK = 3600.0
"""Seconds for which a task is parked. An executor that serves it brings it back at once; this is the safety net."""

FLOW = 4
"""Tasks that come during one tick when many are submitted one by one."""

DUTY = 0.25
"""The part of the time that is given to ticks then. A dispatch of five tasks costs hardly less than one of twenty, and
so does what follows for them in Redis and in the executors."""

LEAST_DUTY = 0.1
"""The same when a hundred tasks or more come during one tick: a burst, which is to be accepted before it is run."""

_BURST = 16
"""So many tasks in one tick let the loop rest once more as long as that tick took."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look showed.

    Attributes:
        due: the lines that had something due, the most urgent first.
        paused: the queues that were paused.
        limited: the queues that had a rate or a limit.
        keyed: whether a task with a concurrency key was in a line.
    """

    due: Sequence[Line]
    paused: Collection[str]
    limited: Collection[str]
    keyed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What came of a dispatch.

    Attributes:
        moved: how many rows.
        pause: when to go on; None: nothing was left.
        unfinished: the queues in which something may be left.
    """

    moved: int = 0
    pause: float | None = None
    unfinished: Collection[str] = ()


class Relay:
    """Keeps the streams filled, each up to its window.

    Args:
        engine: PostgreSQL, each statement a transaction of its own.
        hot: the same for the statement that every task passes through and for looks; it keeps their plans.
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
        hot: Engine,
        redis: Redis,
        roster: Roster,
        metrics: DispatcherMetrics,
        *,
        suspect: asyncio.Event,
        budget: int = BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._hot = hot
        self._redis = redis
        self._roster = roster
        self._metrics = metrics
        self._budget = budget
        self._rooms = Rooms(redis, metrics, suspect=suspect, clock=clock)
        self._bundle_sizes = BundleSizes(redis, clock=clock)
        self._lookout = Lookout(clock=clock)
        self._sight: Sight | None = None
        self._unlooked = False
        self._last = Move()
        self._refused = False

    async def tick(self) -> float | None:
        """Move one batch."""
        await self._roster.refresh()
        sight, self._sight = self._sight, None  # a tick that fails leaves none, so the next one looks
        if sight is not None and (self._lookout.due_in > 0 or not self._unlooked):
            lines = self._lines(sight)
            if self._last.pause is not None or not self._rooms.ample(lines):
                await self._rooms.measure({line.queue for line in lines})
            move = await self._dispatch(sight, lines)
            if move.moved or self._lookout.due_in > 0:
                self._went_on(sight, move, unlooked=True)
                due_in = self._lookout.due_in
                return due_in if move.pause is None else min(move.pause, due_in)
        sight = await self._look()
        await self._rooms.measure({line.queue for line in sight.due} | self._rooms.touched)
        move = await self._dispatch(sight, sight.due)
        closed = {*move.unfinished, *sight.paused, *sight.limited}
        await tell_openings(self._redis, self._roster.served, self._rooms, closed=closed)
        self._went_on(sight, move, unlooked=False)
        return move.pause

    def duty(self) -> float:
        """Return the part of its time that the loop may tick: the less of it, the more the last tick moved."""
        moved = self._last.moved
        return max(LEAST_DUTY, 1 / (1 / DUTY + moved / _BURST)) if moved >= FLOW else 1.0

    def _went_on(self, sight: Sight, move: Move, *, unlooked: bool) -> None:
        self._sight, self._last, self._unlooked = sight, move, unlooked

    async def _look(self) -> Sight:
        async with self._hot.connect() as connection:
            ready = await self._lookout.look(connection)
        if not ready:
            return Sight(due=(), paused=(), limited=(), keyed=False)
        async with self._engine.connect() as connection:
            valved, keyed = await queries.limits_exist(connection)
            valves, now = await queries.queues_valves(connection) if valved else ({}, None)
        paused = {valve.name for valve in valves.values() if now is not None and valve.paused(now)}
        return Sight(
            due=urgent_first(each for each in ready if self._may_go(each.line, paused)),
            paused=paused,
            limited={valve.name for valve in valves.values() if valve.limited},
            keyed=keyed,
        )

    def _may_go(self, line: Line, paused: Collection[str]) -> bool:
        return line.queue not in paused and self._roster.served.serves(line.queue)

    def _lines(self, sight: Sight) -> list[Line]:
        """List the lines in which something may be due by now; what was due already comes first in its priority."""
        others = self._lookout.known - set(sight.due)
        may = [line for line in (*sight.due, *sorted(others)) if self._may_go(line, sight.paused)]
        return sorted(may, key=lambda line: line.priority)

    async def _dispatch(self, sight: Sight, lines: Sequence[Line]) -> Move:
        """Move what is due in some lines, as far as there is room."""
        if not lines:
            return Move()
        among = len({line.queue for line in sight.due})
        dispatch, rooms = await self._mark_within(sight, self._rooms.left(lines), among)
        if dispatch.queued:
            fp("dispatcher.marked")
        await self._push(dispatch.queued)
        fp("dispatcher.pushed")
        full = crowded(rooms, dispatch.moved)
        queues = {line.queue for line in lines}
        self._rooms.pushed(
            [task.queued.line for task in dispatch.queued], crowded={queue: queue in full for queue in queues}
        )
        cut = cut_short(rooms, share(rooms, self._budget, among=among), dispatch.moved, self._budget)
        pause = AGAIN if cut else ROOM_PAUSE if full else None
        return Move(moved=sum(dispatch.moved.values()), pause=pause, unfinished=cut | full)

    async def _mark_within(
        self, sight: Sight, rooms: Mapping[Line, int], among: int
    ) -> tuple[Dispatch, Mapping[Line, int]]:
        if not any(rooms.values()):
            return Dispatch(queued=[], parked=0, moved={}, reached={}), rooms
        mark = partial(self._mark, among=among)
        limited = {line.queue for line in rooms} & set(sight.limited)
        if limited or sight.keyed:
            return await mark_within_limits(self._engine, rooms, limited, mark, keyed=sight.keyed)
        async with self._hot.connect() as connection:
            return await mark(connection, rooms, minded=(), keyed=False), rooms

    async def _mark(
        self, connection: Connection, rooms: Mapping[Line, int], *, minded: Collection[str], keyed: bool, among: int
    ) -> Dispatch:
        fair = share(rooms, self._budget, among=among)
        grants = [each._replace(after=self._lookout.after(each.line)) for each in fair]
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
            minded=minded,
            keyed=keyed,
        )
        self._lookout.dispatched(dispatch.reached)
        self._metrics.parked.inc(dispatch.parked)
        return dispatch

    async def _push(self, tasks: Sequence[Dispatched]) -> None:
        with dispatch_spans([Addressed(task.queued.line, task.hint) for task in tasks]) as hints:
            try:
                if len(hints) > 1:
                    await self._bundle_sizes.refresh()
                await push(self._redis, hints, size_of=self._bundle_sizes.of)
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
