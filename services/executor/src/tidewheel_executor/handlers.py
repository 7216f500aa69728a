"""Which handlers this worker serves: the ordinary tasks of its Celery app."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Celery, Task
from celery.app.trace import task_has_custom
from celery.utils.threads import _FastLocalStack
from kombu.utils import json as typed_json

from tidewheel_executor.attempt import ContextStack
from tidewheel_executor.executor import is_handler
from tidewheel_executor.retries import Wishes, take_over

_READ = json.JSONDecoder().decode

_HOOKS = ("before_start", "on_success", "on_retry", "on_failure", "after_return")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A handler, looked at once."""

    task: Task[Any, Any]
    call: Callable[..., Any]
    """What runs it."""
    check: Callable[..., object]
    """Raises TypeError for arguments that do not fit; runs nothing."""
    is_async: bool
    wishes: Wishes
    load: Callable[[str], Any]
    """Reads a payload."""
    hooks: dict[str, Callable[..., object]]
    """Celery's `on_…` methods, as far as the handler has its own."""


class Handlers:
    """The handlers of an app, by name."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._known: dict[str, Handler] = {}

    def find(self, name: str) -> Handler | None:
        """Return a handler, if this worker has it."""
        if (known := self._known.get(name)) is not None:
            return known
        if not is_handler(name) or name not in self._app.tasks:
            return None  # Celery's own tasks, and ours, are not for tenants to call
        return self._known.setdefault(name, _look_at(self._app.tasks[name]))


def _look_at(task: "Task[Any, Any]") -> Handler:
    call = task if task_has_custom(task, "__call__") else task.run
    is_async = inspect.iscoroutinefunction(inspect.unwrap(task.run))
    hooks = {name: getattr(task, name) for name in _HOOKS if task_has_custom(task, name)}
    wishes = take_over(task)
    # Both answer to what Celery asks of a stack. Its usual one is for each greenlet, and costs a task 2 µs, a look at
    # `self.request` 0.5 µs; the other one that it has is for each thread.
    task.request_stack = ContextStack() if is_async else _FastLocalStack()  # type: ignore[assignment]  # the stubs name only the usual one
    # What a Celery app has sent may hold dates and decimals, written as only Celery's own JSON reads them.
    load = typed_json.loads if wishes.as_in_celery else _READ
    return Handler(
        task=task, call=call, check=_check_of(task), is_async=is_async, wishes=wishes, load=load, hooks=hooks
    )


def _check_of(task: "Task[Any, Any]") -> Callable[..., object]:
    # Celery makes an empty function of the same signature for this, many times faster than inspect's.
    head: Callable[..., object] | None = getattr(task, "__header__", None)
    return head or partial(inspect.Signature.bind, inspect.signature(task.run))
