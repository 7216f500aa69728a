"""The one loop skeleton: every background loop of every process runs on it.

A loop is a name, a tick that moves one bounded batch, and a pause. A wake-up ends the pause early and makes things
fast; the pause makes them certain. Losing a connection is weather: the loop backs off and tries again. Any other error
is a bug: all loops stop and the process ends, so that its supervisor starts a fresh one.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from tidewheel_common.core.errors import TidewheelError
from tidewheel_common.process.health import Health
from tidewheel_common.process.metrics import Metrics

AGAIN = 0.0
"""What a tick returns when its batch was full: run again at once."""

FIRST_PAUSE = 0.2
"""Seconds at most before the first tick, so that processes that start together do not stay in step."""

LONGEST_REST = 0.1
"""Seconds that a loop on part duty rests at most: that its tick took long may have been the store's fault."""

SHORTEST_BACKOFF = 0.1
LONGEST_BACKOFF = 1.0
"""Seconds between the tries of a loop that lost a connection; doubled each time. The longest is what a store's return
may cost each loop that a task passes through, and a try costs a store that is away next to nothing."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Rest = Callable[[float, asyncio.Event], Awaitable[None]]
"""Pauses for some seconds, or until the event is set. Tests hand in one that does not wait."""

Transient = tuple[type[BaseException], ...] | Callable[[BaseException], bool]
"""The errors that mean a lost connection: their types, or a function that tells them."""


class LoopFailed(TidewheelError):
    """A loop ended with an error that is not a lost connection. Its cause is that error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One background loop.

    Attributes:
        name: Names it in logs, metrics and probes; unique in its process.
        tick: Moves one bounded batch. Returns `AGAIN` when more may be waiting, None to pause `every`, or the seconds
            until something is due (never paused longer than `every`).
        every: Seconds; the pause that makes the loop certain even when every wake-up is lost.
        wake: Ends the pause early. Cleared before each tick; belongs to this loop alone.
        duty: Asked after a tick that was woken again before it had ended: the part of its time, above 0, that the loop
            may tick. With less than 1 it rests before it goes on, so that its next tick finds more to do.
    """

    name: str
    tick: Callable[[], Awaitable[float | None]]
    every: float
    wake: asyncio.Event | None = None
    duty: Callable[[], float] = lambda: 1.0

    def __post_init__(self) -> None:
        if not self.every > 0:
            raise ValueError(f"The loop {self.name} must pause for more than 0 seconds, not {self.every}.")


async def rest(seconds: float, until: asyncio.Event) -> None:
    """Pause for `seconds`, or until the event is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()


async def run_loops(
    loops: Sequence[Loop],
    *,
    stop: asyncio.Event,
    transient: Transient,
    health: Health,
    jitter: Callable[[], float],
    metrics: Metrics | None = None,
    grace: float = 20.0,
    rest: Rest = rest,
) -> None:
    """Run the loops side by side until `stop` is set or one of them fails.

    Args:
        loops: Each becomes a task of its own. With none, wait for `stop`.
        stop: Once set, each loop finishes the tick in hand and ends.
        transient: Errors that mean a lost connection; a loop outlives them.
        health: Told about each success and each stumble.
        jitter: Draws from [0, 1); spreads first ticks, pauses and retries.
        metrics: Counts ticks and measures them, when given.
        grace: Seconds that a tick in hand may take once the loops stop; then it is cut off.
        rest: How to pause.

    Raises:
        LoopFailed: A loop raised something that is not transient. It has been logged with its traceback.
        ValueError: Two loops share a name or a wake-up.
    """
    _refuse_shared(loops)
    halt = asyncio.Event()
    runners = [
        _Runner(
            loop, stop=stop, halt=halt, transient=transient, health=health, jitter=jitter, metrics=metrics, rest=rest
        )
        for loop in loops
    ]
    for loop in loops:
        health.watch(loop.name, every=loop.every)
    tasks = [asyncio.create_task(runner.run(), name=f"loop {runner.loop.name}") for runner in runners]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        health.hold("stop", "The process is stopping.")
        halt.set()
        for runner in runners:
            runner.wake.set()
        await _finish(tasks, grace)
    finally:
        await _cancel([stopping, *tasks])
        for loop in loops:
            health.forget(loop.name)


def _refuse_shared(loops: Sequence[Loop]) -> None:
    names = Counter(loop.name for loop in loops)
    wakes = Counter(id(loop.wake) for loop in loops if loop.wake is not None)
    for loop in loops:
        if names[loop.name] > 1:
            raise ValueError(f"Two loops are named {loop.name}; give each its own name.")
        if wakes[id(loop.wake)] > 1:
            raise ValueError(f"The loop {loop.name} shares its wake-up; give each loop its own event, and set both.")


async def _finish(tasks: Sequence[asyncio.Task[None]], grace: float) -> None:
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=grace)
    for task in late:
        log.warning("loop cut off", loop=task.get_name(), grace=grace)
    for task in done:
        if task.cancelled():
            raise LoopFailed(f"The {task.get_name()} was cancelled from outside.")
        if error := task.exception():
            raise LoopFailed(f"The {task.get_name()} failed with {type(error).__name__}.") from error


async def _cancel(tasks: Sequence[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Runner:
    """Drives one loop."""

    def __init__(
        self,
        loop: Loop,
        *,
        stop: asyncio.Event,
        halt: asyncio.Event,
        transient: Transient,
        health: Health,
        jitter: Callable[[], float],
        metrics: Metrics | None,
        rest: Rest,
    ) -> None:
        self.loop = loop
        self.wake = loop.wake or asyncio.Event()
        self._stop = stop
        self._halt = halt
        self._transient = transient
        self._health = health
        self._jitter = jitter
        self._metrics = metrics
        self._rest = rest
        self._streak = 0

    async def run(self) -> None:
        await self._rest(FIRST_PAUSE * self._jitter(), self._halt)
        while not self._over():
            self.wake.clear()
            started = time.monotonic()
            try:
                due = await self.loop.tick()
            except Exception as error:
                if not _is_transient(error, self._transient):
                    self._count("failed", started)
                    log.exception("loop failed", loop=self.loop.name)
                    raise
                self._count("transient", started)
                # Not the wake-up: waking a loop whose database is away would defeat the backoff.
                await self._rest(self._stumble(error), self._halt)
            else:
                self._count("ok", started)
                self._succeed()
                await self._pause(due, took=time.monotonic() - started)

    def _over(self) -> bool:
        # Both: `halt` follows `stop` some turns of the event loop later, in which no other tick may begin.
        return self._stop.is_set() or self._halt.is_set()

    async def _pause(self, due: float | None, *, took: float) -> None:
        if self._over():
            return
        if due is not None and due <= AGAIN:
            await asyncio.sleep(0)  # let the other loops and the signals in
            return
        pause = self.loop.every * (1 - 0.1 * self._jitter()) if due is None else min(due, self.loop.every)
        if self.wake.is_set() and (duty := self.loop.duty()) < 1:
            await self._rest(min(pause, took * (1 / duty - 1), LONGEST_REST), self._halt)
        else:
            await self._rest(pause, self.wake)

    def _succeed(self) -> None:
        if self._streak:
            log.info("loop recovered", loop=self.loop.name, tries=self._streak)
            self._streak = 0
        self._health.succeeded(self.loop.name)

    def _stumble(self, error: Exception) -> float:
        """Note a lost connection and return the seconds to wait before the next try."""
        kind = type(error).__name__
        if self._streak == 0:
            log.warning("loop backs off", loop=self.loop.name, error_type=kind, error=_first_line(error))
        pause = min(SHORTEST_BACKOFF * 2.0 ** min(self._streak, 10), LONGEST_BACKOFF)
        self._streak += 1
        self._health.stumbled(self.loop.name, f"The loop {self.loop.name} lost a connection ({kind}) and keeps trying.")
        return pause * (1 - 0.5 * self._jitter())

    def _count(self, result: str, started: float) -> None:
        if self._metrics is not None:
            self._metrics.ticked(self.loop.name, result=result, seconds=time.monotonic() - started)


def _is_transient(error: BaseException, transient: Transient) -> bool:
    """Tell whether an error, or every error of a group, is a lost connection."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_transient(inner, transient) for inner in error.exceptions)
    return isinstance(error, transient) if isinstance(transient, tuple) else transient(error)


def _first_line(error: Exception, *, limit: int = 200) -> str:
    return (str(error).splitlines() or [""])[0][:limit]
