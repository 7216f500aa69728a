"""Parents and dependants for tests: submitted through the gateway, run by the executor's statements, swept."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from tests.gateway import Gateway, serving

from tidewheel_common.core.decide import Transition
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.task import Reason
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_executor import queries
from tidewheel_executor.dependants import finish_plainly, finish_with_dependants
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.release import Release

COMPLETE = Transition(state=State.COMPLETE, attempt_state="complete", failures=0, lost=0)
DEAD = Transition(state=State.DEAD, attempt_state="dead", failures=1, lost=0, reason=Reason.PERMANENT)

_QUEUE = """UPDATE tasks SET state = 'queued', queued_at = clock_timestamp(), ready_at = NULL
    WHERE state = 'ready' AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Everybody who has a part in a dependant's life."""

    gateway: Gateway
    executors: Engine
    release: Release

    async def submit(self, *parents: str, **fields: Any) -> str:
        """Submit one task that depends on others."""
        task: dict[str, Any] = await self.gateway.submit(depends_on=list(parents), **fields)
        return str(task["id"])

    async def batch(self, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Submit a batch."""
        tasks = [{"handler": "demo.echo", **item} for item in items]
        answer = await self.gateway.http.post("/v1/tasks:batch", json={"tasks": tasks})
        assert answer.status_code == 201, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    async def run(self, *ids: str, transition: Transition = COMPLETE) -> None:
        """Run ready tasks as one packed message."""
        await self.gateway.execute(_QUEUE, ids=[UUID(task_id) for task_id in ids])
        await self._message([UUID(task_id) for task_id in ids], transition)

    async def drain(self, *, size: int = 100, executors: int = 1) -> None:
        """Run whatever is ready, wave by wave, in packed messages on several executors, until nothing is."""
        while True:
            await self.gateway.execute(_QUEUE, ids=None)
            ready = [row["id"] for row in await self.gateway.rows("SELECT id FROM tasks WHERE state = 'queued'")]
            if not ready:
                return
            messages = [ready[at : at + size] for at in range(0, len(ready), size)]
            turns = asyncio.Semaphore(executors)

            async def carry(message: Sequence[UUID], turns: asyncio.Semaphore = turns) -> None:
                async with turns:
                    await self._message(message, COMPLETE)

            await asyncio.gather(*map(carry, messages))

    async def _message(self, ids: Sequence[UUID], transition: Transition) -> None:
        async with self.executors.connect() as connection:
            claimed = await queries.tasks_claim(
                connection,
                ids=ids,
                attempts=await self._attempts(ids),
                leases=[310.0] * len(ids),
                executor_id=UUID(int=1),
            )
        assert len(claimed) == len(ids)
        await self.finish([(row.id, row.attempt) for row in claimed], transition)

    async def _attempts(self, ids: Sequence[UUID]) -> list[int]:
        rows = await self.gateway.rows("SELECT id, attempt FROM tasks WHERE id = ANY (:ids)", ids=list(ids))
        known = {row["id"]: row["attempt"] for row in rows}
        return [known[task_id] for task_id in ids]

    async def finish(self, attempts: Sequence[tuple[UUID, int]], transition: Transition = COMPLETE) -> None:
        """Finish attempts as an executor does."""
        endings = queries.Endings()
        for task_id, attempt in attempts:
            endings.add(task_id, attempt, transition)
        awaited = {row.id for row in (await finish_plainly(self.executors, endings)).rows if row.awaited}
        if awaited:
            rest = queries.Endings()
            for task_id, attempt in attempts:
                if task_id in awaited:
                    rest.add(task_id, attempt, transition)
            await finish_with_dependants(self.executors, rest)

    async def sweep(self) -> None:
        """Let the scheduler tell what no executor has told."""
        while await self.release.tick() == AGAIN:
            continue

    async def state(self, task_id: str) -> str:
        """Return where a task is."""
        [row] = await self.gateway.rows("SELECT state FROM tasks WHERE id = :id", id=UUID(task_id))
        state: str = row["state"]
        return state

    async def states(self) -> Counter[str]:
        """Count the tasks by state."""
        rows = await self.gateway.rows("SELECT state, count(*) AS n FROM tasks GROUP BY state")
        return Counter({row["state"]: row["n"] for row in rows})


@asynccontextmanager
async def opened_family(database_url: str, redis_url: str) -> AsyncIterator[Family]:
    """Bring everybody together."""
    executors = open_engine(database_url, application_name="test", pool_size=8)
    scheduler = open_engine(database_url, application_name="test", pool_size=2)
    release = Release(
        engine=scheduler,
        wake_dispatcher=lambda: None,
        announce=lambda _: None,
        counts=Counts(CollectorRegistry()),
    )
    async with serving(database_url, redis_url) as gateway:
        yield Family(gateway=gateway, executors=executors, release=release)
    await executors.dispose()
    await scheduler.dispose()
