"""What a handler sees of the attempt that it is: `self.request` and `celery.current_task`."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery.app.task import Context
from celery.exceptions import Retry
from celery.local import Proxy

from tidewheel_executor.capture import Said
from tidewheel_executor.claim import Claimed
from tidewheel_executor.scribe import Scribe

KEY = "tidewheel"
"""Where a request keeps its `Attempt`; a request that Celery copies keeps the same one."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What is agreed between a running handler and Tidewheel about further attempts."""

    ceiling: int
    """The task's own limit to retries: one less than its `max_attempts`."""
    own: int | None = None
    """The handler's limit, `max_retries` where it is declared."""
    override: int | None = None
    """The handler's limit of this once, `self.retry(max_retries=…)`."""
    promised: Retry | None = None
    """A retry that the handler asked for before it went on (`throw=False`)."""
    claimed: Claimed | None = None
    """The task that it is an attempt of."""
    said: Said | None = None
    """What the handler has logged, and how far it says that it is; made when it first says something."""
    scribe: Scribe | None = None
    """Writes that down."""
    aborted: Callable[["Attempt"], bool] | None = None
    """Tells whether the task is to be stopped."""

    @property
    def is_aborted(self) -> bool:
        """Whether the task is to be stopped."""
        return self.aborted is not None and self.aborted(self)

    def speak(self) -> Said | None:
        """Return where to keep what the handler says."""
        if self.said is None and (task := self.claimed) is not None:
            self.said = Said(task_id=task.task_id, tenant_id=task.tenant_id, attempt=task.attempt)
        return self.said

    @property
    def most_retries(self) -> int:
        """After so many retries there is no further one."""
        limit = self.own if self.override is None else self.override
        return self.ceiling if limit is None else min(limit, self.ceiling)


class Request(Context):
    """A `Context` that takes its facts as they are; Celery's own sorts out headers first, which is slow."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.__dict__ = facts


def make_request(
    claimed: Claimed,
    kwargs: Mapping[str, Any],
    attempt: Attempt,
    *,
    hostname: str | None,
    parents: Mapping[str, Any] | None = None,
) -> Request:
    """Return what the handler will know as `self.request`.

    `retries` counts failures, as in Celery; `attempt` counts starts, and is Tidewheel's fencing token; `parents` has
    the results of the tasks that it depended on, by their ids.
    """
    task_id = str(claimed.task_id)
    return Request(
        {
            "id": task_id,
            "task": claimed.handler,
            "root_id": task_id,
            "correlation_id": task_id,
            "args": [],
            "kwargs": kwargs,
            "retries": claimed.failures,
            "attempt": claimed.attempt,
            "started_at": claimed.started_at,
            "parents": parents or {},
            "called_directly": False,
            "is_eager": False,
            "hostname": hostname,
            "delivery_info": {"exchange": "", "routing_key": claimed.queue, "redelivered": claimed.lost > 0},
            "timelimit": (None, claimed.timeout),
            "time_limit": None,
            "soft_time_limit": claimed.timeout,
            KEY: attempt,
        }
    )


class ContextStack:
    """A stack of requests for each asyncio task. Celery's own is one for each thread, for all coroutines in it."""

    def __init__(self) -> None:
        self._stack: ContextVar[tuple[Context, ...]] = ContextVar("requests", default=())

    @property
    def stack(self) -> list[Context]:
        """The requests, the current one last."""
        return list(self._stack.get())

    @property
    def top(self) -> Context | None:
        """The current request."""
        stack = self._stack.get()
        return stack[-1] if stack else None

    def push(self, request: Context) -> None:
        """Make a request the current one."""
        self._stack.set((*self._stack.get(), request))

    def pop(self) -> None:
        """Go back to the request before."""
        self._stack.set(self._stack.get()[:-1])

    def __len__(self) -> int:
        """Count the requests."""
        return len(self._stack.get())


running: ContextVar[Any] = ContextVar("running", default=None)
"""The Celery task that this coroutine runs."""

coroutine_task: "Proxy[Any]" = Proxy(running.get)
"""Stands on Celery's stack of tasks while coroutines run: to each of them it is its own task."""


def said_by(request: Context) -> Said | None:
    """Return where to keep what a request's handler says; None for a request that is not Tidewheel's."""
    attempt: Attempt | None = request.__dict__.get(KEY)
    return None if attempt is None else attempt.speak()
