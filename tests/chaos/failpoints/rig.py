"""One stack for all failpoints: armed, loaded with work, and held against the promise afterwards."""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
from redis.asyncio import Redis
from tests.chaos.failpoints.ledger import read_ledger
from tests.chaos.failpoints.story import Story
from tests.stack import Stack
from tests.support import wait_until

from tidewheel_client import AsyncClient
from tidewheel_common.core.lifecycle import FINAL
from tidewheel_common.process.failpoints import fired

QUIET = 40.0
"""Seconds in which everything must have come to its end, and a service that died must be back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A running stack, the directory that arms it, and a way behind it."""

    directory: Path
    failpoints: Path
    client: AsyncClient
    database: asyncpg.Connection
    http: httpx2.AsyncClient

    @property
    def stack(self) -> Stack:
        """Where its services are now."""
        return Stack.read(self.directory)

    @property
    def ledger(self) -> Path:
        """Where the handlers leave their marks."""
        return self.directory / "ledger"

    def arm(self, point: str, action: str = "crash") -> None:
        """Arm a failpoint; it acts once."""
        (self.failpoints / point).write_text(action)

    async def until_fired(self, point: str) -> None:
        """Wait until it has acted."""
        await wait_until(fired(self.failpoints, point).exists, timeout=QUIET, what=f"{point} to act")

    async def empty_redis(self) -> None:
        """Lose everything in Redis."""
        async with Redis.from_url(self.stack.redis_url) as redis:
            await redis.flushall()

    def executor(self, number: signal.Signals) -> None:
        """Send a signal to the executor's main process."""
        os.kill(self.stack.services["executor"], number)

    def executors(self, number: signal.Signals) -> None:
        """Send a signal to the executor with all its children; after SIGKILL nobody is left to report anything."""
        os.killpg(self.stack.services["executor"], number)

    async def until_queued(self, least: int) -> None:
        """Wait until so many tasks have their hints in Redis."""

        async def queued() -> bool:
            count: int = await self.database.fetchval("SELECT count(*) FROM tasks WHERE state = 'queued'")
            return count >= least

        await wait_until(queued, what="the dispatch")

    def work(self, **options: Any) -> dict[str, Any]:
        """Return a task that leaves a mark."""
        payload = {"ledger": str(self.ledger), **options.pop("payload", {})}
        return {"handler": "ledger.note", "payload": payload, **options}

    async def submit(self, tasks: list[dict[str, Any]], *, key: str) -> list[str]:
        """Submit until there is an answer, always under the same key, and return the ids."""

        async def answer() -> list[str]:
            try:
                response = await self.http.post(
                    "/v1/tasks:batch", json={"tasks": tasks}, headers={"Idempotency-Key": key}
                )
            except httpx2.TransportError:
                return []
            if response.status_code in {409, 429, 503}:
                return []
            assert response.status_code == 201, response.text
            return [result["id"] for result in response.json()["results"]]

        return await wait_until(answer, timeout=QUIET, what="an answer")

    async def until_final(self, ids: set[UUID]) -> None:
        """Wait until every one of these tasks is final, or gone after it was."""

        async def open_tasks() -> list[Any]:
            found: list[Any] = await self.database.fetch(
                "SELECT id, handler, state, attempt FROM tasks WHERE id = ANY($1) AND NOT state = ANY($2)",
                list(ids),
                [state.value for state in FINAL],
            )
            return found

        async def none_open() -> bool:
            return not await open_tasks()

        try:
            await wait_until(none_open, timeout=QUIET, what="the end of every task")
        except AssertionError as error:
            raise AssertionError(f"{error}: {[dict(row) for row in await open_tasks()]}") from error

    async def until_whole(self) -> None:
        """Disarm everything, and wait until the API answers and an executor lives."""
        for armed in self.failpoints.iterdir():
            if armed.suffix != ".fired":
                armed.unlink()
        self.executors(signal.SIGCONT)

        async def live() -> bool:
            try:
                answer = await self.http.get("/readyz")
            except httpx2.TransportError:
                return False
            fresh = "SELECT count(*) FROM executors WHERE heartbeat_at > clock_timestamp() - interval '2 seconds'"
            return answer.status_code == 200 and bool(await self.database.fetchval(fresh))

        await wait_until(live, timeout=QUIET, what="the stack to be whole")

    async def stories(self, ids: set[UUID], *, short_lived: set[UUID]) -> dict[UUID, Story]:
        """Return what became of tasks: where they are, how their attempts ended, and what ran."""
        query = "SELECT task_id, attempt, state FROM execution_log WHERE task_id = ANY($1) ORDER BY attempt"
        async with self.database.transaction(isolation="repeatable_read"):  # the reaper may come between the two
            found = await self.database.fetch("SELECT id, state, attempt FROM tasks WHERE id = ANY($1)", list(ids))
            logged = await self.database.fetch(query, list(ids))
        rows = {row["id"]: row for row in found}
        logs: dict[UUID, list[tuple[int, str]]] = {}
        for row in logged:
            logs.setdefault(row["task_id"], []).append((row["attempt"], row["state"]))
        runs: dict[UUID, Counter[int]] = {}
        for (task_id, attempt), times in read_ledger(self.ledger).items():
            runs.setdefault(UUID(task_id), Counter())[attempt] = times
        return {
            task_id: Story(
                state=rows[task_id]["state"] if task_id in rows else None,
                attempt=rows[task_id]["attempt"] if task_id in rows else 0,
                log=logs.get(task_id, []),
                ran=runs.get(task_id, Counter()),
                short_lived=task_id in short_lived,
            )
            for task_id in ids
        }

    async def now(self) -> datetime:
        """Return the time by the database's clock."""
        instant: datetime = await self.database.fetchval("SELECT clock_timestamp()")
        return instant

    async def born_since(self, instant: datetime) -> set[UUID]:
        """Return every task that was made since an instant and is still there."""
        rows = await self.database.fetch("SELECT id FROM tasks WHERE created_at >= $1", instant)
        return {row["id"] for row in rows}

    async def fires(self, schedule_id: UUID) -> set[UUID]:
        """Return the tasks of a schedule, and hold that no nominal time has fired twice."""
        rows = await self.database.fetch("SELECT id, nominal_at FROM tasks WHERE schedule_id = $1", schedule_id)
        times = [row["nominal_at"] for row in rows]
        assert len(set(times)) == len(times), "a nominal time has fired twice"
        return {row["id"] for row in rows}
