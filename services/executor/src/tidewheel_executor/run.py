"""Running one task: calling its handler as Celery would, and judging how that ended."""

import asyncio
import time
from typing import Any

from billiard.common import terminate_handler_fired  # type: ignore[attr-defined]  # its stubs are older
from celery.exceptions import SoftTimeLimitExceeded, WorkerShutdown, WorkerTerminate

from tidewheel_executor import listeners
from tidewheel_executor.attempt import running
from tidewheel_executor.judge import Ended, Item, Judge
from tidewheel_executor.limits import SoftLimit
from tidewheel_executor.retries import autoretry


def run_def(item: Item, *, tasks: list[Any], limit: SoftLimit, judge: Judge) -> Ended:
    """Run a `def` handler here and now; only for the main thread.

    Args:
        item: what to run.
        tasks: Celery's stack of tasks, of this thread.
        limit: interrupts it.
        judge: says what becomes of it.

    Raises:
        BaseException: what ends this process, and is not the handler's own doing.
    """
    task = item.handler.task
    tasks.append(task)
    task.request_stack.push(item.request)
    started = time.monotonic()
    try:
        listeners.starting(task, item.request)
        try:
            _before(item)
            value = limit.call(item.claimed.timeout, item.handler.call, item.kwargs)
        except BaseException as error:
            if ends_the_process(error):
                raise
            return judge.raised(item, error, time.monotonic() - started)
        return judge.returned(item, value, time.monotonic() - started)
    finally:
        _finish_lines(item)
        task.request_stack.pop()
        tasks.pop()


async def run_async(item: Item, *, judge: Judge) -> Ended:
    """Run an `async def` handler, in an asyncio task of its own.

    Its timeout cancels it, as asyncio has it: it may catch `CancelledError` to clean up.

    Raises:
        BaseException: what ends this process or cancels this coroutine from outside.
    """
    task = item.handler.task
    running.set(task)
    task.request_stack.push(item.request)
    started = time.monotonic()
    listeners.starting(task, item.request)
    try:
        value = await _call(item)
    except BaseException as error:
        if ends_the_process(error) or (_is_cancelled(error) and not item.attempt.is_aborted):
            raise
        return judge.raised(item, autoretry(task, error), time.monotonic() - started)
    finally:
        _finish_lines(item)
    return judge.returned(item, value, time.monotonic() - started)


async def _call(item: Item) -> Any:
    try:
        async with asyncio.timeout(item.claimed.timeout) as limit:
            _before(item)
            return await item.handler.call(**item.kwargs)
    except TimeoutError as error:
        if limit.expired():
            raise SoftTimeLimitExceeded from error
        raise


def _finish_lines(item: Item) -> None:
    if (said := item.attempt.said) is not None:
        said.finish()


def _before(item: Item) -> None:
    if (hook := item.handler.hooks.get("before_start")) is not None:
        hook(item.request.id, item.request.args, item.request.kwargs)


def ends_the_process(error: BaseException) -> bool:
    """Tell whether an error is about this process rather than about the handler that it went through.

    `SystemExit` is a handler's failure, unless it was billiard's own way to end a child (SIGTERM).
    """
    if isinstance(error, SystemExit):
        return isinstance(error, WorkerShutdown | WorkerTerminate) or bool(terminate_handler_fired())
    return isinstance(error, KeyboardInterrupt)


def _is_cancelled(error: BaseException) -> bool:
    current = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and current is not None and current.cancelling() > 0
