"""What every scenario works with: a running stack, connections to it, the ledger and the meter."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis
from tests.bench.ledger import Count, Ledger
from tests.bench.meter import Meter
from tests.bench.offer import Offered
from tests.bench.scale import Scale
from tests.bench.wire import Pool, open_pool
from tests.stack import Stack, running_stack
from tests.support import wait_until

REPOSITORY = Path(__file__).parents[2]
BATCH = 1_000
"""Tasks in one `:batch` call: the most that it takes."""
HANDLERS = "tests.bench.handlers"

# Each half reads the entries of one partial index, however many tasks wait or are final.
_BUSY = """
    SELECT EXISTS (SELECT FROM tasks WHERE ready_at IS NOT NULL)
        OR EXISTS (SELECT FROM tasks WHERE queued_at IS NOT NULL)
"""
_TIMES = """
    SELECT id::text AS id, extract(epoch FROM created_at)::float8 AS accepted,
           extract(epoch FROM greatest(created_at, run_at))::float8 AS due,
           extract(epoch FROM started_at)::float8 AS started, extract(epoch FROM finished_at)::float8 AS finished
    FROM tasks WHERE state = 'complete' ORDER BY created_at, id
"""


@dataclass(frozen=True, slots=True)
class Times:
    """When what happened to a task: seconds since the epoch on PostgreSQL's clock."""

    id: str
    accepted: float
    due: float
    started: float
    finished: float

    @property
    def pickup(self) -> float:
        """Milliseconds between when it could start and when it started."""
        return 1000 * (self.started - self.due)


def span(times: Sequence[Times]) -> float:
    """Return the seconds from the first acceptance to the last end."""
    return max(each.finished for each in times) - min(each.accepted for each in times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A stack under measurement."""

    stack: Stack
    pool: Pool
    database: Any
    meter: Meter
    ledger: Ledger
    scale: Scale
    surroundings: Mapping[str, str]
    """What the processes must be told besides their settings, for the handlers."""

    def singles(self, count: int, **task: Any) -> list[bytes]:
        """Encode so many submissions of one task each."""
        return [self.pool.encode("/v1/tasks", {"handler": "bench.noop", **task})] * count

    def batches(self, count: int, size: int = BATCH, **task: Any) -> list[bytes]:
        """Encode submissions of so many tasks in all, in batches of a size; what does not fill one is left out."""
        body = {"tasks": [{"handler": "bench.noop", **task}] * min(size, count)}
        return [self.pool.encode("/v1/tasks:batch", body)] * (count // min(size, count))

    async def empty(self) -> None:
        """Bring the stack back to where it began: no tasks, no dirty pages, an empty ledger."""
        await self.settled()
        await self.database.execute("TRUNCATE tasks, attempts, dependencies, idempotency_keys")
        await self.database.execute("CHECKPOINT")
        self.ledger.empty()

    async def ran(self, tasks: int, *, timeout: float = 120.0) -> None:
        """Wait until so many runs are in the ledger and every one of them is recorded.

        What never runs does not stop the bench: the count of ids tells of it.
        """
        try:
            await wait_until(lambda: self.ledger.runs() >= tasks, timeout=timeout, what="the last run")
        except AssertionError:
            return
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing is ready, queued or running."""

        async def still() -> bool:
            return not await self.database.fetchval(_BUSY)

        await wait_until(still, timeout=120, what="the end of the last task")

    def count(self, *loads: Offered) -> Count:
        """Hold every id that was accepted since the ledger was emptied against the runs."""
        return self.ledger.count([task_id for load in loads for task_id in load.ids])

    async def times(self) -> list[Times]:
        """Read when each task that is kept was accepted, started and finished; in the order of acceptance."""
        return [Times(**row) for row in await self.database.fetch(_TIMES)]

    async def clock(self) -> float:
        """Return what must be added to the monotonic clock for PostgreSQL's; of five tries the quickest."""
        best = (float("inf"), 0.0)
        for _ in range(5):
            asked = time.monotonic()
            now = await self.database.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
            answered = time.monotonic()
            best = min(best, (answered - asked, now - (asked + answered) / 2))
        return best[1]


@asynccontextmanager
async def open_rig(directory: Path, scale: Scale, settings: Mapping[str, str] | None = None) -> AsyncIterator[Rig]:
    """Start a stack on a fresh directory and connect to it.

    Args:
        directory: empty; receives the data, the logs and the ledger.
        scale: how much is measured.
        settings: `TIDEWHEEL_` variables of its processes; as delivered unless told.
    """
    ledger = Ledger(directory / "runs")
    surroundings = {"BENCH_LEDGER": str(ledger.path), "PYTHONPATH": str(REPOSITORY)}
    environment = {**surroundings, **(settings or {})}
    async with (
        running_stack(directory, "--handlers", HANDLERS, environment=environment) as stack,
        open_pool(stack.api_url, stack.api_key) as pool,
        Redis.from_url(stack.redis_url) as redis,
    ):
        database = await asyncpg.connect(stack.database_url)
        try:
            meter = Meter(stack, database, redis)
            yield Rig(
                stack=stack,
                pool=pool,
                database=database,
                meter=meter,
                ledger=ledger,
                scale=scale,
                surroundings=surroundings,
            )
        finally:
            await database.close()
