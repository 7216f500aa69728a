"""`self.retry()` for handlers: as Celery has it, but nothing is published. The next attempt waits in PostgreSQL.

So does `self.update_state()`: what it says is kept with the attempt.
"""

from dataclasses import dataclass
from datetime import datetime
from types import new_class
from typing import Any

from celery import Task
from celery.app.task import Context
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.objects import mro_lookup
from celery.utils.time import get_exponential_backoff_interval

from tidewheel_executor.attempt import KEY, Attempt
from tidewheel_executor.scribe import meta_text

PROGRESS = "PROGRESS"
"""The state of a progress that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a handler declares about its retries; unless it keeps to Celery, that one's defaults are nobody's wish."""

    limit: int | None
    """`max_retries`, where it is declared."""
    delay: bool
    """Whether `default_retry_delay` is declared."""
    as_in_celery: bool = False
    """Whether only what asks for a retry is tried again, as the client's Celery drop-in has it."""


class _Unpublished:
    """What stands in for the message of a retry."""

    def __init__(self, args: Any, kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def apply_async(self) -> None:
        """Publish nothing."""


class Retries(Task[Any, Any]):
    """Comes before a handler's own class and keeps its retries from the broker.

    Celery's own `Task.retry` does the rest: it is the one that counts, and raises `MaxRetriesExceededError` or `exc`.
    Whatever runs outside of Tidewheel (called directly, `apply()`, a message of its own) is left to Celery.
    """

    wishes: Wishes

    def retry(  # noqa: D102, PLR0917 -- Celery documents it, and its arguments may be positional
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Any:
        celery_retry: Any = super().retry  # declared never to return, which is not so with throw=False
        attempt = attempt_of(self)
        given = {"args": args, "kwargs": kwargs, "exc": exc, "eta": eta, "countdown": countdown}
        options.update({name: value for name, value in given.items() if value is not None})
        if attempt is None:
            return celery_retry(throw=throw, max_retries=max_retries, **options)
        if max_retries is not None:
            attempt.override = max_retries
            options["max_retries"] = attempt.most_retries
        asked: Retry = celery_retry(throw=False, **options)
        if eta is None and countdown is None and not self.wishes.delay:
            asked.when = None  # Tidewheel's backoff, rather than Celery's three minutes for everybody
        if throw:
            raise asked
        attempt.promised = asked
        return asked

    def signature_from_request(  # noqa: D102 -- Celery documents it
        self, request: Context | None = None, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any
    ) -> Any:
        if attempt_of(self) is None:
            return super().signature_from_request(request, args, kwargs, *rest, **options)
        now = request or self.request
        if (args is not None and list(args) != list(now.args or ())) or (kwargs is not None and kwargs != now.kwargs):
            raise Reject(
                f"{self.name} asked for a retry with other arguments. Tidewheel runs a task again with the payload "
                "that it accepted; submit a new task instead.",
                requeue=False,
            )
        return _Unpublished(now.args, now.kwargs)

    def is_aborted(self, **_: Any) -> bool:
        """Tell whether somebody has asked for the cancellation of this task, as `AbortableTask` does in Celery."""
        attempt = attempt_of(self)
        return attempt is not None and attempt.is_aborted

    def update_state(  # noqa: D102 -- Celery documents it
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **kwargs: Any
    ) -> None:
        attempt = attempt_of(self)
        said = None if attempt is None else attempt.speak()
        if attempt is None or attempt.scribe is None or said is None or task_id not in {None, self.request.id}:
            super().update_state(task_id=task_id, state=state, meta=meta, **kwargs)
        else:
            attempt.scribe.progressed(said, str(state or PROGRESS), meta_text(meta))


def attempt_of(task: "Task[Any, Any]") -> Attempt | None:
    """Return the attempt that a task is right now, if Tidewheel runs it."""
    attempt: Attempt | None = task.request.__dict__.get(KEY)
    return attempt


def take_over(task: "Task[Any, Any]") -> Wishes:
    """Put `Retries` before a handler's own class, and return what the handler itself declares."""
    if isinstance(task, Retries):
        return task.wishes
    kind = type(task)
    as_in_celery = keeps_to_celery(task)
    wishes = Wishes(
        limit=task.max_retries if as_in_celery or _is_declared(task, "max_retries") else None,
        delay=as_in_celery or _is_declared(task, "default_retry_delay"),
        as_in_celery=as_in_celery,
    )
    namespace: dict[str, Any] = {"max_retries": _max_retries(task), "override_max_retries": _override()}
    namespace |= {"wishes": wishes, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    name: Any = kind.__name__
    task.__class__ = new_class(name, (Retries, kind), exec_body=lambda body: body.update(namespace))
    return wishes


def keeps_to_celery(task: "Task[Any, Any]") -> bool:
    """Tell whether a task keeps to Celery's own rules: its own word counts, or else that of its app's task class.

    In an app that the client's drop-in has made durable that is so for tasks with another base class as well.
    """
    said = getattr(task, "as_in_celery", None)
    return bool(getattr(task.app.Task, "as_in_celery", False) if said is None else said)


def autoretry(task: "Task[Any, Any]", error: BaseException) -> BaseException:
    """Return what an error of a coroutine becomes under `autoretry_for`.

    Celery does this in a wrapper around `run`, which for a coroutine has returned before anything can fail
    (`celery.app.autoretry`, 5.7.0).
    """
    retry_for = tuple(getattr(task, "autoretry_for", ()))
    never = (Ignore, Retry, *getattr(task, "dont_autoretry_for", ()))
    if isinstance(error, never) or not isinstance(error, retry_for):
        return error
    options = dict(getattr(task, "retry_kwargs", {}))
    if factor := float(getattr(task, "retry_backoff", False)):
        options["countdown"] = get_exponential_backoff_interval(
            factor=int(max(1.0, factor)),
            retries=task.request.retries,
            maximum=int(getattr(task, "retry_backoff_max", 600)),
            full_jitter=getattr(task, "retry_jitter", True),
        )
    if (override := getattr(task, "override_max_retries", None)) is not None:
        options["max_retries"] = override
    retry: Any = task.retry
    try:
        decided: BaseException = retry(exc=error, **options)
    except BaseException as raised:  # noqa: BLE001 -- it is the answer: Retry, or the error that ended the retries
        return raised
    return decided


def _is_declared(task: "Task[Any, Any]", name: str) -> bool:
    return name in task.__dict__ or mro_lookup(type(task), name, stop={Task, object}) is not None


def _max_retries(task: "Task[Any, Any]") -> property:
    """Return what `self.max_retries` is to a handler: within an attempt, what is left of all limits."""
    outside = [task.max_retries]

    def get(self: "Task[Any, Any]") -> int | None:
        attempt = attempt_of(self)
        return outside[0] if attempt is None else attempt.most_retries

    def put(self: "Task[Any, Any]", value: int | None) -> None:
        attempt = attempt_of(self)
        if attempt is None:
            outside[0] = value
        else:
            attempt.own = value

    return property(get, put)


def _override() -> property:
    """Return Celery's note of `retry(max_retries=…)`, kept with the attempt: on the task it would outlive it."""

    def get(self: "Task[Any, Any]") -> int:
        attempt = attempt_of(self)
        if attempt is None or attempt.override is None:
            raise AttributeError("override_max_retries")
        return attempt.override

    def put(self: "Task[Any, Any]", value: int | None) -> None:
        if (attempt := attempt_of(self)) is not None:
            attempt.override = value

    def drop(self: "Task[Any, Any]") -> None:
        put(self, None)

    return property(get, put, drop)
