"""The few calls of the API that the drop-in makes, from synchronous code."""

import os
import random
import weakref
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any, Final

import httpx2
from celery import Celery

from tidewheel_client.errors import ApiError, ClientError, Unreachable

TRIES: Final = 6
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_PLACE: Final = "_tidewheel_wire"


class Wire:
    """Submits, reads and cancels.

    Args:
        url: the gateway's address.
        api_key: `tw_…`.
    """

    def __init__(self, url: str, api_key: str) -> None:
        self.process = os.getpid()
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=10.0, trust_env=False)
        self._never = Event()

    def submit(self, tasks: Sequence[Mapping[str, Any]], *, key: str) -> list[str]:
        """Submit up to 1,000 tasks, all or none; the same key again gives the same tasks.

        Raises:
            ClientError: they were not accepted.
        """
        headers = {"Idempotency-Key": key}
        if len(tasks) == 1:
            return [self._call("POST", "/v1/tasks", json=tasks[0], headers=headers)["id"]]
        results = self._call("POST", "/v1/tasks:batch", json={"tasks": list(tasks)}, headers=headers)["results"]
        refused = [result["error"] for result in results if "error" in result]
        if refused:
            self.cancel([result["id"] for result in results if "id" in result])
            raise ApiError(refused[0]["status"], refused[0])
        return [result["id"] for result in results]

    def get(self, task_id: str, *, wait: float = 0.0) -> dict[str, Any]:
        """Return a task; hold on up to `wait` seconds until it is final.

        Raises:
            ClientError: there is none, or no answer.
        """
        params = {"wait": wait} if wait > 0 else {}
        return self._call("GET", f"/v1/tasks/{task_id}", params=params, timeout=10.0 + wait)

    def progress(self, task_id: str) -> dict[str, Any] | None:
        """Return how far the attempt that runs says that it is.

        Raises:
            ClientError: there is none, or no answer.
        """
        attempts = self._call("GET", f"/v1/tasks/{task_id}/attempts")["data"]
        running = (each["progress"] for each in attempts if each["state"] == "running")
        return next(running, None)

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel tasks; those that have ended are left alone.

        Raises:
            ClientError: no answer.
        """
        for task_id in ids:
            try:
                self._call("POST", f"/v1/tasks/{task_id}:cancel")
            except ApiError as error:
                if error.code != "already_final":
                    raise

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            try:
                response = self._http.request(method, path, **arguments)
            except httpx2.TransportError as error:
                if last:
                    raise Unreachable(
                        f"{self._http.base_url} does not answer: {str(error) or type(error).__name__}."
                    ) from error
            else:
                if response.is_success:
                    answer: dict[str, Any] = response.json() if response.content else {}
                    return answer
                if last or not (response.status_code in _RETRIED or "Retry-After" in response.headers):
                    raise _refusal(response)
            self._never.wait(min(5.0, 0.2 * 2**attempt) * (0.5 + random.random() / 2))  # noqa: S311 -- a pause
        raise AssertionError("unreachable: the last try returns or raises")


def wire_of(app: Celery) -> Wire:
    """Return the way to the gateway, one for each app and process; the environment names the address and the key.

    Raises:
        ClientError: the environment does not.
    """
    wire: Wire | None = app.__dict__.get(_PLACE)
    if wire is None or wire.process != os.getpid():
        url, key = (os.environ.get(name) for name in ("TIDEWHEEL_URL", "TIDEWHEEL_API_KEY"))  # noqa: TID251 -- the one place
        if not url or not key:
            raise ClientError("TIDEWHEEL_URL and TIDEWHEEL_API_KEY must say where durable tasks go.")
        wire = app.__dict__[_PLACE] = Wire(url, key)
        weakref.finalize(app, wire.close)
    return wire


def _refusal(response: httpx2.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": response.text[:200]}
    return ApiError(response.status_code, problem if isinstance(problem, dict) else {})
