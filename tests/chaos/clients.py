"""Open-loop clients: they submit at their own pace, however slow the system is, and repeat what they are unsure of."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
from tests.chaos.history import History
from tests.chaos.ledger import instant
from tests.chaos.work import Piece, draw, make_bad

_TIMEOUT = 8.0  # seconds for one answer
_PAUSE = (0.3, 1.0)  # seconds between two tries
_LOST = (httpx2.HTTPError, json.JSONDecodeError, OSError)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What clients have seen so far."""

    submitted: int = 0
    accepted: int = 0
    unknown: int = 0
    statuses: dict[int, int] = field(default_factory=dict)


class Submitter:
    """A client with a tenant, a pace and a history.

    Args:
        name: unique; begins its idempotency keys.
        rate: tasks a second.
        seed: draws its work.
    """

    def __init__(
        self, *, name: str, url: str, tenant: str, api_key: str, history: History, rate: float, seed: int, tally: Tally
    ) -> None:
        self._name = name
        self._tenant = tenant
        self._history = history
        self._rate = rate
        self._random = Random(f"{seed}-{name}")  # noqa: S311 - a seed must replay
        self._tally = tally
        self._count = 0
        self._open: set[asyncio.Task[None]] = set()
        self._http = httpx2.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=_TIMEOUT, trust_env=False
        )

    async def submit_until(self, stop: asyncio.Event, *, at_most: int | None = None) -> None:
        """Submit until told to stop, or until so many tasks went out; return when every answer is known."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not stop.is_set() and (at_most is None or self._tally.submitted < at_most):
            size = 1 if self._random.random() < 0.4 else self._random.randint(5, 40)
            self._start(size)
            due = max(due + size / self._rate, loop.time() - 5.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, due - loop.time()))
        while self._open:
            await asyncio.wait(self._open)

    async def close(self) -> None:
        """Close its connections and its history."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._http.aclose()
        self._history.close()

    def _start(self, size: int) -> None:
        self._count += 1
        op = f"{self._name}-{self._count}"
        now = instant()
        if self._random.random() < 0.01:
            pieces = [make_bad(self._random, tenant=self._tenant, op=op)]
        else:
            pieces = [draw(self._random, tenant=self._tenant, op=op, now=now) for _ in range(size)]
        self._tally.submitted += len(pieces)
        task = asyncio.create_task(self._carry_through(op, pieces))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry_through(self, op: str, pieces: Sequence[Piece]) -> None:
        single = len(pieces) == 1
        path = "/v1/tasks" if single else "/v1/tasks:batch"
        body = json.dumps(pieces[0].body if single else {"tasks": [piece.body for piece in pieces]}).encode()
        kinds = [piece.kind for piece in pieces]
        await self._history.note("invoke", op, tenant=self._tenant, kinds=kinds, due=[piece.due for piece in pieces])
        ids = await self._until_known(op, path, body)
        accepted = [task_id for task_id in ids if task_id]
        self._tally.accepted += len(accepted)
        if accepted and self._random.random() < 0.02:  # what was answered is asked for once more: the same tasks
            again = await self._until_known(op, path, body)
            assert len(again) == len(ids)
        for kind, task_id in zip(kinds, ids, strict=False):
            if kind == "cancelled" and task_id:
                await self._cancel(op, task_id)

    async def _until_known(self, op: str, path: str, body: bytes) -> list[str]:
        """Submit, again and again with the same key, until the answer is certain; return the ids."""
        never = asyncio.Event()
        while True:
            status, answer = await self._post(path, body, key=op)
            if status == httpx2.codes.CREATED:
                ids = [str(each.get("id", "")) for each in answer.get("results", [answer])]
                await self._history.note("ok", op, ids=ids)
                return ids
            if 400 <= status < 500 and status not in {408, 409, 429}:
                await self._history.note("fail", op, status=status)
                return []
            self._tally.unknown += 1
            await self._history.note("info", op, status=status)
            with suppress(TimeoutError):
                await asyncio.wait_for(never.wait(), self._random.uniform(*_PAUSE))

    async def _cancel(self, op: str, task_id: str) -> None:
        """Cancel a task; only what is confirmed counts."""
        for _ in range(20):
            status, answer = await self._post(f"/v1/tasks/{task_id}:cancel", b"", key=None)
            if status == httpx2.codes.OK and answer.get("state") == "cancelled":
                await self._history.note("cancelled", op, task=task_id)
            if status in {200, 202, 404, 409}:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), _PAUSE[1])

    async def _post(self, path: str, body: bytes, *, key: str | None) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer; 0 when there was none."""
        headers = {} if key is None else {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            response = await self._http.post(path, content=body, headers=headers)
            answer = response.json()
        except _LOST:
            return 0, {}
        self._tally.statuses[response.status_code] = self._tally.statuses.get(response.status_code, 0) + 1
        return response.status_code, answer
