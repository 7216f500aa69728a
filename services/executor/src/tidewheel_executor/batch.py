"""One message's tasks: claim them, run each on its own, finish them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from celery._state import _task_stack  # type: ignore[attr-defined]  # where `celery.current_task` looks

from tidewheel_common.core.outcome import Cancelled, Interrupted, Refused
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.tracing import is_exporting, span_from
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.aborts import Aborts
from tidewheel_executor.attempt import Attempt, coroutine_task, make_request
from tidewheel_executor.claim import Claimed, Terms, claim, read_hints
from tidewheel_executor.explain import REQUEUE_PAUSE
from tidewheel_executor.figures import Figures
from tidewheel_executor.finish import FLUSH_AFTER, Recorder, Tell
from tidewheel_executor.handlers import Handler, Handlers
from tidewheel_executor.judge import Ended, Item, Judge
from tidewheel_executor.limits import SoftLimit
from tidewheel_executor.payload import open_parents, open_payload, put_parents
from tidewheel_executor.run import ends_the_process, run_async, run_def
from tidewheel_executor.scribe import Scribe
from tidewheel_executor.supplies import is_complete, supply
from tidewheel_executor.watch import Rest, Watch

T = TypeVar("T")

Durations = dict[str, tuple[int, float, float]]
"""For each handler: how often it ran, the seconds of work that was in all, and the seconds that it lasted in all."""

Runnable = tuple[Claimed, Handler]

_NO_SPAN = nullcontext()

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What a child runs batches with."""

    enter: Callable[[Awaitable[Any]], Any]
    """Runs a coroutine on the child's event loop, and returns what it returns."""
    engine: Engine
    hot: Engine
    """For the two statements that every task passes through; it keeps their plans."""
    sealer: Sealer
    handlers: Handlers
    terms: Terms
    judge: Judge
    figures: Figures
    tell: Tell
    limit: SoftLimit
    scribe: Scribe
    aborts: Aborts
    watch: Watch[Runnable, Ended]
    hostname: str | None = None


class Batch:
    """The tasks of one message.

    `def` handlers run one after the other, outside of the event loop: they may call `asyncio.run` themselves. Then all
    `async def` handlers run beside each other.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._recorder = Recorder(
            kit.engine, kit.sealer, figures=kit.figures, tell=kit.tell, settle=kit.scribe.settle, hot=kit.hot
        )
        self._traced = is_exporting()
        self._durations: defaultdict[str, tuple[int, float, float]] = defaultdict(lambda: (0, 0.0, 0.0))

    def execute(self, bundles: Sequence[str], *, hard_limit: float | None = None) -> Durations:
        """Run a batch.

        Args:
            bundles: the hints, as they stand in stream entries.
            hard_limit: seconds after which this process is killed, if it is.

        Raises:
            StoreError, OSError: PostgreSQL stayed away.
        """
        kit = self._kit
        kit.limit.guard()
        hints: Sequence[Hint] = self._served(read_hints(bundles))
        fp("executor.hinted")
        if hints:
            self._run(hints, hard_limit)
        return dict(self._durations)

    def _run(self, hints: Sequence[Hint], hard_limit: float | None) -> None:
        kit = self._kit
        claimed = kit.enter(claim(kit.hot, hints, kit.terms, hard_limit=hard_limit))
        fp("executor.claimed")
        kit.figures.claimed(hinted=len(hints), claimed=len(claimed))
        waiting = [(task, handler) for task in claimed if (handler := self._handler_of(task)) is not None]
        try:
            while waiting:
                ready, waiting = self._supplied(waiting)
                waiting = self._run_supplied(ready, waiting)
        finally:
            self._leave([task for task, _ in waiting])  # none, unless this process ends
            if self._recorder.unrecorded:
                kit.enter(self._recorder.flush())

    def _supplied(self, claimed: list[Runnable]) -> tuple[list[Runnable], list[Runnable]]:
        """Read what the first tasks need besides their rows, and return these tasks and the others."""
        if all(is_complete(task) for task, _ in claimed):
            return claimed, []
        tasks = self._kit.enter(supply(self._kit.engine, [task for task, _ in claimed]))
        ready = [(task, handler) for task, (_, handler) in zip(tasks, claimed, strict=False)]
        return ready, claimed[len(ready) :]

    def _run_supplied(self, ready: Sequence[Runnable], waiting: Sequence[Runnable]) -> list[Runnable]:
        """Run tasks, and return those of the others that are still this process's."""
        kit = self._kit
        rest = Rest(
            (pair for pair in ready if not pair[1].is_async),
            (pair for pair in ready if pair[1].is_async),
            waiting,
            self._recorder.unrecorded,
        )
        if len(rest) > 1:
            kit.watch.begin(rest)
        try:
            self._run_defs(rest)
            if coroutines := rest.drain():
                kit.enter(self._run_asyncs(coroutines))
        finally:
            owed, unsaid = kit.watch.end()
            self._leave([task for task, _ in owed])
            self._recorder.unrecorded.extend(unsaid)
            kit.enter(self._recorder.flush())
        return rest.drain_waiting()

    def _served(self, hints: Sequence[Hint]) -> list[Hint]:
        """Leave out what this worker cannot run, and sort by the order of running, which decides about the leases."""
        found = [(handler.is_async, hint) for hint in hints if (handler := self._kit.handlers.find(hint.handler))]
        if len(found) < len(hints):
            log.info("hints dropped: their handlers are not served here", hints=len(hints) - len(found))
        return [hint for _, hint in sorted(found, key=lambda pair: pair[0])]

    def _handler_of(self, task: Claimed) -> Handler | None:
        handler = self._kit.handlers.find(task.handler)
        if handler is None:  # the hint named another one
            self._recorder.add(self._kit.judge.unstarted(task, Interrupted(REQUEUE_PAUSE)))
        return handler

    def _prepare(self, task: Claimed, handler: Handler) -> Item | Refused | Interrupted | Cancelled:
        aborts = self._kit.aborts
        if aborts.ordered and (task.task_id, task.attempt) in aborts.ordered:
            return Cancelled()
        if time.monotonic() >= task.lease_ends:
            return Interrupted()  # its neighbours took too long: by now it may be another executor's
        kwargs = open_payload(task, handler, self._kit.sealer)
        if isinstance(kwargs, Refused):
            return kwargs
        parents = open_parents(task, self._kit.sealer) if task.order else {}
        if isinstance(parents, Refused):
            return parents
        if task.order:
            kwargs = put_parents(task, kwargs, parents)
            if isinstance(kwargs, Refused):
                return kwargs
        attempt = Attempt(
            ceiling=task.max_attempts - 1,
            own=handler.wishes.limit,
            claimed=task,
            scribe=self._kit.scribe,
            aborted=aborts.is_ordered,
        )
        request = make_request(task, kwargs, attempt, hostname=self._kit.hostname, parents=parents)
        return Item(claimed=task, handler=handler, kwargs=kwargs, request=request, attempt=attempt)

    def _leave(self, tasks: Sequence[Claimed]) -> None:
        """Let others have at once what this process has not begun."""
        for task in tasks:
            self._recorder.add(self._kit.judge.unstarted(task, Interrupted()))

    def _run_defs(self, rest: Rest[Runnable, Ended]) -> None:
        _task_stack.push(coroutine_task)
        tasks = _task_stack.stack  # found once: to look for it takes Celery a microsecond for each task
        try:
            self._run_each(rest, tasks)
        finally:
            _task_stack.pop()

    def _run_each(self, rest: Rest[Runnable, Ended], tasks: list[Any]) -> None:
        while (pair := rest.next_first()) is not None:
            task, handler = pair
            self._kit.watch.since = started = time.monotonic()
            try:
                self._run_def(task, handler, tasks)
            except BaseException as error:
                if not ends_the_process(error):
                    self._recorder.add(self._broken(task, error))
                    continue
                self._recorder.add(self._kit.judge.aborted(task, time.monotonic() - started))
                self._leave([task for task, _ in rest.drain()])
                raise
            if self._recorder.is_due():
                self._kit.enter(self._recorder.flush())

    def _run_def(self, task: Claimed, handler: Handler, tasks: list[Any]) -> None:
        item = self._prepare(task, handler)
        if not isinstance(item, Item):
            self._recorder.add(self._kit.judge.unstarted(task, item))
            return
        with self._span(item):
            ended = run_def(item, tasks=tasks, limit=self._kit.limit, judge=self._kit.judge)
        self._recorder.add(ended)
        self._count(ended, ended.seconds)

    async def _run_asyncs(self, tasks: Sequence[Runnable]) -> None:
        worked = time.process_time()
        _task_stack.push(coroutine_task)
        running = {asyncio.create_task(self._run_async(task, handler)): task for task, handler in tasks}
        self._kit.aborts.coroutines = {(task.task_id, task.attempt): coroutine for coroutine, task in running.items()}
        waiting = set(running)
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=FLUSH_AFTER)
                await self._recorder.flush()
        finally:
            _task_stack.pop()
            for coroutine in waiting:  # nothing, unless recording failed: nobody would hear of them any more
                coroutine.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        # What coroutines wait for is no work: it is the processor's time that says how many go into one message.
        share = (time.process_time() - worked) / len(tasks)
        for coroutine, task in running.items():
            if coroutine.cancelled():  # before it had begun
                self._recorder.add(self._kit.judge.unstarted(task, Cancelled()))
            elif (ended := coroutine.result()) is not None:
                self._count(ended, share)

    async def _run_async(self, task: Claimed, handler: Handler) -> Ended | None:
        try:
            item = self._prepare(task, handler)
            if not isinstance(item, Item):
                self._recorder.add(self._kit.judge.unstarted(task, item))
                return None
            with self._span(item):
                ended = await run_async(item, judge=self._kit.judge)
        except Exception as error:  # noqa: BLE001 -- ours; it must not cost the neighbours anything
            ended = self._broken(task, error)
        self._recorder.add(ended)
        return ended

    def _broken(self, task: Claimed, error: BaseException) -> Ended:
        log.error("handler could not be run as Celery would", handler=task.handler, error_type=type(error).__name__)
        return self._kit.judge.broken(task, error)

    def _count(self, ended: Ended, seconds: float) -> None:
        runs, worked, lasted = self._durations[ended.claimed.handler]
        self._durations[ended.claimed.handler] = (runs + 1, worked + seconds, lasted + ended.seconds)

    def _span(self, item: Item) -> AbstractContextManager[object]:
        """Return the span of a run; where nobody would hear of it, none is made."""
        task = item.claimed
        if task.traceparent is None and not self._traced:
            return _NO_SPAN
        attributes: dict[str, str | int] = {
            "tidewheel.task_id": str(task.task_id),
            "tidewheel.handler": task.handler,
            "tidewheel.attempt": task.attempt,
        }
        return span_from(task.traceparent, "tidewheel.run", **attributes)
