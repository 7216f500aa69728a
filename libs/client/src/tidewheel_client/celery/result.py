"""Results: Celery's own `AsyncResult` and `GroupResult`, over a backend that asks the gateway."""

import builtins
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from celery import Celery, states
from celery.app.control import Control
from celery.backends.base import BaseBackend
from celery.exceptions import TaskRevokedError, TimeoutError  # noqa: A004 -- Celery's own
from celery.result import AsyncResult, GroupResult

from tidewheel_client.celery.options import REPLACED
from tidewheel_client.celery.refusals import ParentFailed, TaskFailed, Unmapped
from tidewheel_client.celery.wire import wire_of

LONGEST_HOLD: Final = 20.0
"""Seconds that one call is held until a task is final."""

_STATES: Final[Mapping[str, str]] = {
    "running": states.STARTED,
    "complete": states.SUCCESS,
    "dead": states.FAILURE,
    "cancelled": states.REVOKED,
    "expired": states.REVOKED,
}


class DurableBackend(BaseBackend):
    """Reads what became of tasks. It stores nothing: executors do that."""

    app: Any

    def __init__(self, app: Celery, **_: Any) -> None:
        super().__init__(app=app, url="tidewheel://")

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:  # noqa: ARG002 -- Celery passes it
        """Return a task's state and result, as Celery's backends have it."""
        task = wire_of(self.app).get(task_id)
        meta = self._meta(task)
        if task["state"] == "running" and (progress := wire_of(self.app).progress(task_id)) is not None:
            meta.update(status=progress["state"], result=progress["meta"])
        return meta

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,  # noqa: ARG002 -- the gateway holds the answer
        no_ack: bool = True,  # noqa: ARG002 -- Celery passes it
        on_interval: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Hold on until a task is final.

        Raises:
            TimeoutError: it was not, within `timeout` seconds.
        """
        self._ensure_not_eager()  # type: ignore[attr-defined]  # the stubs leave it out
        until = None if timeout is None else time.monotonic() + timeout
        left = LONGEST_HOLD
        while left > 0:
            hold = LONGEST_HOLD if until is None else max(0.0, min(LONGEST_HOLD, until - time.monotonic()))
            meta = self._meta(wire_of(self.app).get(task_id, wait=hold))
            if meta["status"] in states.READY_STATES:
                return meta
            if on_interval is not None:
                on_interval()
            left = LONGEST_HOLD if until is None else until - time.monotonic()
        raise TimeoutError("The operation timed out.")

    def _meta(self, task: Mapping[str, Any]) -> dict[str, Any]:
        status = _state(task)
        result = task["result"]
        if status == states.FAILURE:
            result = self._error(task)
        elif status == states.REVOKED:
            result = TaskRevokedError(task["state"])
        return {
            "task_id": task["id"],
            "status": status,
            "result": result,
            "traceback": task["error"],
            "children": [],
            "name": task["handler"],
            "retries": task["failures"],
            "queue": task["queue"],
            "date_done": task["finished_at"],
        }

    def _error(self, task: Mapping[str, Any]) -> BaseException:
        """Return the error of a task, as the type that it had where that is known here."""
        if task["reason"] == "parent_failed":
            return ParentFailed("A task before it failed, so it was not run.")
        name = task["error_type"] or "TaskFailed"
        text = str(task["error"] or task["reason"]).partition("\n")[0].removeprefix(f"{name}: ")
        known = self.app.tasks.get(task["handler"])
        places = [getattr(getattr(known, "run", None), "__globals__", {}), vars(builtins)]
        kind = next((place[name] for place in places if _is_error(place.get(name))), None)
        try:
            error: BaseException = kind(text) if kind else type(name, (TaskFailed,), {})(text)
        except Exception:  # noqa: BLE001 -- an error's own constructor may want anything
            error = TaskFailed(f"{name}: {text}")
        return error

    def _store_result(self, *_: Any, **__: Any) -> Any:
        raise Unmapped("storing a result by hand", "What a task returns is its result.")

    def _forget(self, *_: Any) -> None:
        raise Unmapped("`forget()`", "A task is removed after its removal delay (`result_expires`).")

    def _save_group(self, *_: Any) -> Any:
        raise Unmapped("`GroupResult.save()`", "Keep the ids of its tasks; each is readable by its own.")

    def apply_chord(self, *_: Any, **__: Any) -> None:
        """Refuse: a chord is submitted as one.

        Raises:
            Unmapped: always.
        """
        raise Unmapped("a chord that is put together by hand", "Call the chord itself.")


class DurableResult(AsyncResult):  # type: ignore[type-arg]  # Celery's own class takes no parameters at run time
    """A task's result."""

    def revoke(self, *_: Any, **__: Any) -> None:
        """Cancel the task; one that runs is asked to stop, and ended when it does not."""
        wire_of(self.app).cancel([self.id])

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result; see Celery for the arguments.

        Raises:
            Exception: what the task failed with, or the task before it that it was not run for.
        """
        try:
            return super().get(*args, **kwargs)
        except ParentFailed:
            self._maybe_reraise_parent_error()  # type: ignore[attr-defined]  # the stubs leave it out
            raise


class DurableGroupResult(GroupResult):
    """The results of a group."""

    def revoke(self, *_: Any, **__: Any) -> None:
        """Cancel all its tasks."""
        wire_of(self.app).cancel([result.id for result in self.results or ()])


class DurableControl(Control):
    """Celery's remote control, but that revoking a task cancels it in Tidewheel; the rest works in an executor only."""

    def broadcast(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Send a command to workers.

        Raises:
            Unmapped: this process is no executor's, so what it knows as its broker is nobody's.
        """
        if self.app.conf.get(REPLACED) is None:
            raise Unmapped(
                f"`app.control.{command}`", "Ask `tidewheel executors`, or run `celery -A tidewheel_executor inspect`."
            )
        return super().broadcast(command, *args, **kwargs)

    def revoke(self, task_id: str | Iterable[str], *_: Any, **__: Any) -> None:
        """Cancel tasks by their ids."""
        wire_of(self.app).cancel([task_id] if isinstance(task_id, str) else list(task_id))


def _state(task: Mapping[str, Any]) -> str:
    if task["reason"] == "parent_failed":
        return states.FAILURE
    if task["state"] in _STATES:
        return _STATES[task["state"]]
    return states.RETRY if task["failures"] else states.PENDING


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)
