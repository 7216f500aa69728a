"""The few calls of the API that the drop-in makes, over the blocking client."""

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

from celery import Celery

from tidewheel_client.client import Client
from tidewheel_client.errors import ApiError, NotFound

T = TypeVar("T")

_PLACE: Final = "_tidewheel_wire"

_LONGEST_TAG: Final = 64


class Wire:
    """Submits, reads and cancels; the environment names the address and the key.

    Raises:
        NotConfigured: the environment does not.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._client: Any = Client()  # what it is given here comes from Celery, and is checked by the gateway

    def submit(self, tasks: Sequence[Mapping[str, Any]], *, key: str) -> list[str]:
        """Submit up to 1,000 tasks, all or none; the same key again gives the same tasks.

        Raises:
            ClientError: they were not accepted.
        """
        if len(tasks) == 1:
            return [str(self._client.submit(**tasks[0], idempotency_key=key).id)]
        items = self._client.submit_batch(tasks, idempotency_key=key)
        refused = [item.error for item in items if item.error is not None]
        if refused:
            self.cancel([str(item.id) for item in items if item.id is not None])
            raise ApiError(refused[0].status, refused[0].model_dump(mode="json"))
        return [str(item.id) for item in items]

    def get(self, task_id: str, *, wait: float = 0.0) -> dict[str, Any]:
        """Return a task; hold on up to `wait` seconds until it is final.

        Raises:
            ClientError: there is none, or no answer.
        """
        found: Any = self._named(lambda name: self._client.tasks.get(name, wait=wait), task_id)
        task: dict[str, Any] = found.model_dump(mode="json")
        return task

    def progress(self, task_id: str) -> dict[str, Any] | None:
        """Return how far the attempt that runs says that it is.

        Raises:
            ClientError: there is none, or no answer.
        """
        attempts: Any = self._named(self._client.tasks.attempts, task_id)
        running = (each.progress for each in attempts if each.state == "running" and each.progress is not None)
        found = next(running, None)
        return None if found is None else found.model_dump(mode="json")

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel tasks; those that have ended are left alone.

        Raises:
            ClientError: no answer.
        """
        for task_id in ids:
            try:
                self._named(self._client.tasks.cancel, task_id)
            except ApiError as error:
                if error.code != "already_final":
                    raise

    def _named(self, call: Callable[[str], T], task_id: str) -> T:
        """Call with an id: a task's own, or the one that Celery was to know it by."""
        try:
            return call(task_id)
        except NotFound:
            found = next(iter(self._client.tasks.list(tag=tag_of(task_id), limit=1)), None)
            if found is None:
                raise
        return call(str(found.id))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def tag_of(chosen: str) -> str:
    """Return the tag that finds a task by the id which its caller has chosen (`task_id=`)."""
    tag = f"celery:{chosen}"
    if len(tag) <= _LONGEST_TAG and tag.isprintable():
        return tag
    return f"celery:{sha256(chosen.encode()).hexdigest()[:48]}"


def wire_of(app: Celery) -> Wire:
    """Return the way to the gateway, one for each app and process.

    Raises:
        NotConfigured: the environment does not name it.
    """
    wire: Wire | None = app.__dict__.get(_PLACE)
    if wire is None or wire.process != os.getpid():
        wire = app.__dict__[_PLACE] = Wire()
        weakref.finalize(app, wire.close)
    return wire
