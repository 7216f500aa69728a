"""The asynchronous client."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2

from tidewheel_client.errors import ApiError, Unreachable

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_CONFLICT = 409


class Client:
    """Submits tasks and asks about them.

    Every call that creates something carries an `Idempotency-Key`, so a call whose answer was lost is repeated safely.

    Args:
        url: the address of the gateway, such as `http://127.0.0.1:8080`.
        api_key: `tw_…`, sent as a bearer token.
        timeout: seconds to wait for one answer.
        tries: how often a call is made before it fails, when no answer comes or the service is busy.
        transport: where requests go; for tests.
        jitter: draws a number in [0, 1) that spreads the pauses between tries.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = 10.0,
        tries: int = 5,
        transport: httpx2.AsyncBaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )
        self._tries = tries
        self._jitter = jitter

    async def __aenter__(self) -> Self:
        """Open the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def submit(self, handler: str, payload: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Submit one task and return it as it was accepted; `options` are the fields of `POST /v1/tasks`."""
        body = {"handler": handler, "payload": dict(payload or {}), **options}
        return await self._call("POST", "/v1/tasks", json=body)

    async def submit_batch(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Submit up to 1,000 tasks; each result has an `id`, or an `error` of its own."""
        answer = await self._call("POST", "/v1/tasks:batch", json={"tasks": list(tasks)})
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def get(self, task_id: str, *, wait: float | None = None) -> dict[str, Any]:
        """Return a task; with `wait`, hold the answer up to that many seconds until it is final."""
        params = {} if wait is None else {"wait": wait}
        return await self._call("GET", f"/v1/tasks/{task_id}", params=params, timeout=(wait or 0) + 10.0)

    async def attempts(self, task_id: str) -> list[dict[str, Any]]:
        """Return the execution log of a task, one entry per attempt that ended."""
        entries: list[dict[str, Any]] = (await self._call("GET", f"/v1/tasks/{task_id}/attempts"))["data"]
        return entries

    async def tasks(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        """Iterate over the tasks that match the filters of `GET /v1/tasks`, newest first."""
        async for task in self._pages("/v1/tasks", filters):
            yield task

    async def cancel(self, task_id: str) -> dict[str, Any]:
        """Cancel a task; one that runs already is asked to stop."""
        return await self._call("POST", f"/v1/tasks/{task_id}:cancel")

    async def redrive(self, task_id: str) -> dict[str, Any]:
        """Run a dead, cancelled or expired task again."""
        return await self._call("POST", f"/v1/tasks/{task_id}:redrive")

    async def create_schedule(self, name: str, handler: str, **options: Any) -> dict[str, Any]:
        """Create a recurring schedule; `options` are the fields of `POST /v1/schedules`."""
        return await self._call("POST", "/v1/schedules", json={"name": name, "handler": handler, **options})

    async def schedules(self, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        """Iterate over the schedules that match the filters of `GET /v1/schedules`, the newest first."""
        async for schedule in self._pages("/v1/schedules", filters):
            yield schedule

    async def schedule(self, schedule_id: str) -> dict[str, Any]:
        """Return a schedule."""
        return await self._call("GET", f"/v1/schedules/{schedule_id}")

    async def edit_schedule(self, schedule_id: str, *, etag: str | None = None, **changes: Any) -> dict[str, Any]:
        """Change a schedule; with the `ETag` of what was read, only when nobody has changed it since."""
        return await self._call("PATCH", f"/v1/schedules/{schedule_id}", json=changes, headers=_matching(etag))

    async def pause_schedule(
        self, schedule_id: str, *, until: datetime | None = None, reason: str | None = None, etag: str | None = None
    ) -> dict[str, Any]:
        """Stop a schedule from firing until it is resumed, or until a time; say why to whoever finds it paused."""
        given = {"until": None if until is None else until.isoformat(), "reason": reason}
        params = {name: value for name, value in given.items() if value is not None}
        return await self._call("POST", f"/v1/schedules/{schedule_id}:pause", params=params, headers=_matching(etag))

    async def resume_schedule(self, schedule_id: str, *, etag: str | None = None) -> dict[str, Any]:
        """Let a schedule fire again, from its next time on."""
        return await self._call("POST", f"/v1/schedules/{schedule_id}:resume", headers=_matching(etag))

    async def trigger_schedule(self, schedule_id: str) -> dict[str, Any]:
        """Fire a schedule now; return the `task_id` and the `nominal_at` of its task."""
        return await self._call("POST", f"/v1/schedules/{schedule_id}:trigger")

    async def backfill_schedule(self, schedule_id: str, first: datetime, last: datetime) -> list[dict[str, Any]]:
        """Fire a schedule for the times of a range that has passed; return what was fired now."""
        body = {"first": first.isoformat(), "last": last.isoformat()}
        answer = await self._call("POST", f"/v1/schedules/{schedule_id}:backfill", json=body)
        fired: list[dict[str, Any]] = answer["data"]
        return fired

    async def skip_next_fire(self, schedule_id: str, *, etag: str | None = None) -> dict[str, Any]:
        """Skip the next time of a schedule, and only that."""
        return await self._call("POST", f"/v1/schedules/{schedule_id}:skip-next", headers=_matching(etag))

    async def preview_rule(self, **rule: Any) -> dict[str, Any]:
        """Return when a rule would fire, and what it says in words; nothing is stored."""
        return await self._call("POST", "/v1/schedules/preview", json=rule)

    async def preview_schedule(self, schedule_id: str, *, count: int = 10) -> dict[str, Any]:
        """Return the next times of a schedule, and what it says in words."""
        return await self._call("GET", f"/v1/schedules/{schedule_id}/preview", params={"count": count})

    async def fires(self, schedule_id: str) -> AsyncIterator[dict[str, Any]]:
        """Iterate over the ledger of a schedule: what became of each nominal time, the latest first."""
        async for fire in self._pages(f"/v1/schedules/{schedule_id}/fires", {}):
            yield fire

    async def delete_schedule(self, schedule_id: str, *, etag: str | None = None) -> None:
        """Delete a schedule; what it has fired goes on."""
        await self._call("DELETE", f"/v1/schedules/{schedule_id}", headers=_matching(etag))

    async def explain(self, task_id: str) -> dict[str, Any]:
        """Return why a task is not running yet: every gate on its way, who holds it, and when it lifts."""
        return await self._call("GET", f"/v1/tasks/{task_id}/explain")

    async def queues(self) -> list[dict[str, Any]]:
        """Return the queues: how much waits in each, and what keeps it back."""
        entries: list[dict[str, Any]] = (await self._call("GET", "/v1/queues"))["data"]
        return entries

    async def pause_queue(self, name: str, *, until: str | None = None) -> dict[str, Any]:
        """Keep a queue's tasks from starting, until a time (RFC 3339) or until it is resumed."""
        return await self._call("POST", f"/v1/queues/{name}:pause", json={"until": until})

    async def resume_queue(self, name: str) -> dict[str, Any]:
        """Let a queue's tasks start again."""
        return await self._call("POST", f"/v1/queues/{name}:resume")

    async def limit_queue(self, name: str, **limits: float | None) -> dict[str, Any]:
        """Limit a queue: `rate` tasks a second, `concurrency` tasks at once; None lifts a limit."""
        return await self._call("PATCH", f"/v1/queues/{name}", json=limits)

    async def _pages(self, path: str, filters: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        page = await self._call("GET", path, params=filters)
        while True:
            for row in page["data"]:
                yield row
            if page["next_cursor"] is None:
                return
            page = await self._call("GET", path, params={**filters, "cursor": page["next_cursor"]})

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        headers = {**({"Idempotency-Key": uuid4().hex} if method == "POST" else {}), **arguments.pop("headers", {})}
        for attempt in range(1, self._tries + 1):
            try:
                response = await self._http.request(method, path, headers=headers, **arguments)
            except httpx2.TransportError as error:
                if attempt == self._tries:
                    raise Unreachable(
                        f"{self._http.base_url} does not answer: {str(error) or type(error).__name__}."
                    ) from error
                await asyncio.sleep(self._pause(attempt, None))
                continue
            if response.is_success:
                answer: dict[str, Any] = response.json() if response.content else {}
                return answer
            if not _worth_repeating(response) or attempt == self._tries:
                raise _api_error(response)
            await asyncio.sleep(self._pause(attempt, response.headers.get("Retry-After")))
        raise AssertionError("unreachable: the last try returns or raises")

    def _pause(self, attempt: int, retry_after: str | None) -> float:
        if retry_after is not None and retry_after.isdecimal():
            return float(min(int(retry_after), 30))
        return float(min(0.2 * 2**attempt, 5.0) * (0.5 + self._jitter() / 2))


def _worth_repeating(response: httpx2.Response) -> bool:
    # 409 with Retry-After: the first try of this very call is still under way; later it can be answered.
    return response.status_code in _RETRIED or (response.status_code == _CONFLICT and "Retry-After" in response.headers)


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _api_error(response: httpx2.Response) -> ApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": response.text[:200]}
    return ApiError(response.status_code, problem if isinstance(problem, dict) else {})
