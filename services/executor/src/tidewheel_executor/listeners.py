"""Celery's signals and a handler's `on_…` methods. Nobody pays for what nobody listens to.

As in Celery, a listener that raises changes nothing about the task. "Retried" and "failed" tell what becomes of the
task: a failure that Tidewheel will try again is a retry, as if it stood in `autoretry_for`, and a failure is final.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from billiard.einfo import ExceptionInfo
from celery import Task, signals, states
from celery.app.task import Context
from celery.exceptions import Ignore, Reject, Retry

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Hooks = Mapping[str, Callable[..., object]]


def starting(task: "Task[Any, Any]", request: Context) -> None:
    """Announce that a handler is about to run."""
    if signals.task_prerun.receivers:
        signals.task_prerun.send(sender=task, task_id=request.id, task=task, args=request.args, kwargs=request.kwargs)


def succeeded(task: "Task[Any, Any]", request: Context, hooks: Hooks, value: object, seconds: float) -> None:
    """Tell that a handler returned."""
    if hooks or signals.task_success.receivers:
        _call(hooks, "on_success", value, request.id, request.args, request.kwargs)
        signals.task_success.send(sender=task, result=value, runtime=seconds)
        _call(hooks, "after_return", states.SUCCESS, value, request.id, request.args, request.kwargs, None)
    _ended(task, request, value, states.SUCCESS)


def failed(task: "Task[Any, Any]", request: Context, hooks: Hooks, error: BaseException) -> None:
    """Tell that a task has failed for good."""
    if hooks or signals.task_failure.receivers:
        info = _info(error)
        _call(hooks, "on_failure", error, request.id, request.args, request.kwargs, info)
        signals.task_failure.send(
            sender=task,
            task_id=request.id,
            exception=error,
            args=request.args,
            kwargs=request.kwargs,
            traceback=error.__traceback__,
            einfo=info,
        )
        _call(hooks, "after_return", states.FAILURE, error, request.id, request.args, request.kwargs, info)
    _ended(task, request, error, states.FAILURE)


def retried(task: "Task[Any, Any]", request: Context, hooks: Hooks, reason: Retry) -> None:
    """Tell that a task will be tried again."""
    if hooks or signals.task_retry.receivers:
        info = _info(reason)
        _call(hooks, "on_retry", reason.exc, request.id, request.args, request.kwargs, info)
        signals.task_retry.send(sender=task, request=request, reason=reason, einfo=info)
    _ended(task, request, reason, states.RETRY)


def left(task: "Task[Any, Any]", request: Context, reason: Ignore | Reject) -> None:
    """Tell that a handler wants no state to be told."""
    _ended(task, request, reason, states.IGNORED if isinstance(reason, Ignore) else states.REJECTED)


def revoked(task: "Task[Any, Any]", request: Context, error: BaseException) -> None:
    """Tell that a task was stopped because it was cancelled."""
    _ended(task, request, error, states.REVOKED)


def _ended(task: "Task[Any, Any]", request: Context, value: object, state: str) -> None:
    if signals.task_postrun.receivers:
        signals.task_postrun.send(
            sender=task,
            task_id=request.id,
            task=task,
            args=request.args,
            kwargs=request.kwargs,
            retval=value,
            state=state,
        )


def _info(error: BaseException) -> ExceptionInfo:
    if error.__traceback__ is None:  # it was never raised, and billiard needs to know where
        try:
            raise error  # noqa: TRY301 -- raised only to be caught
        except BaseException:  # noqa: BLE001, S110 -- as above
            pass
    return ExceptionInfo((type(error), error, error.__traceback__))


def _call(hooks: Hooks, name: str, *arguments: object) -> None:
    if (hook := hooks.get(name)) is None:
        return
    try:
        hook(*arguments)
    except Exception as error:  # noqa: BLE001 -- the handler's own code, which changes nothing any more
        log.warning("hook raised", hook=name, task_id=str(arguments[1]), error_type=type(error).__name__)
