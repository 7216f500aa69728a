"""What is measured. Each function loads a running stack and returns figures by name; times are in milliseconds."""

import asyncio
import time
from uuid import uuid4

import asyncpg
from tests.bench.wire import Pool
from tests.support import wait_until

Figures = dict[str, float]
BATCH = 1_000

_PICKUP = """
    SELECT count(*) AS tasks, count(*) FILTER (WHERE state = 'complete') AS complete,
           percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP
               (ORDER BY 1000 * extract(epoch FROM started_at - greatest(created_at, run_at))::float8) AS pickup
    FROM tasks WHERE tags @> ARRAY[$1]
"""
_OPEN = "SELECT count(*) FROM tasks WHERE tags @> ARRAY[$1] AND remove_at IS NULL"
_SPAN = """
    SELECT count(*) AS tasks, extract(epoch FROM max(finished_at) - min(created_at))::float8 AS seconds,
           extract(epoch FROM max(finished_at) - max(created_at))::float8 AS drain
    FROM tasks WHERE tags @> ARRAY[$1] AND state = 'complete'
"""


async def sustained(pool: Pool, database: asyncpg.Connection, *, rate: int, seconds: int) -> Figures:
    """Offer single submits at a fixed rate, whatever the service does (open loop); measure the pickup."""
    tag = f"bench-{uuid4().hex[:12]}"
    accepted: list[float] = []

    async def submit(number: int) -> None:
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status, _ = await pool.post("/v1/tasks", {"handler": "demo.noop", "tags": [tag]})
        if status == 201:
            accepted.append(time.monotonic() - due)

    start = time.monotonic()
    await asyncio.gather(*(submit(number) for number in range(rate * seconds)))
    await _drained(database, tag)
    row = await database.fetchrow(_PICKUP, tag)
    accepted.sort()
    return {
        "offered": rate * seconds,
        "accepted": len(accepted),
        "complete": row["complete"],
        "lost": len(accepted) - row["complete"],
        "accept_p50_ms": 1000 * accepted[len(accepted) // 2],
        "accept_p99_ms": 1000 * accepted[len(accepted) * 99 // 100],
        "pickup_p50_ms": row["pickup"][0],
        "pickup_p99_ms": row["pickup"][1],
        "pickup_max_ms": row["pickup"][2],
    }


async def throughput(pool: Pool, database: asyncpg.Connection, *, tasks: int) -> Figures:
    """Submit tasks in batches as fast as they are accepted; measure until the last is complete."""
    tag = f"bench-{uuid4().hex[:12]}"
    body = {"tasks": [{"handler": "demo.noop", "tags": [tag]} for _ in range(BATCH)]}
    start = time.monotonic()
    turns = asyncio.Semaphore(4)

    async def submit() -> None:
        async with turns:
            await pool.post("/v1/tasks:batch", body)

    await asyncio.gather(*(submit() for _ in range(tasks // BATCH)))
    accepting = time.monotonic() - start
    await _drained(database, tag)
    row = await database.fetchrow(_SPAN, tag)
    return {
        "tasks": row["tasks"],
        "accepted_per_s": tasks / accepting,
        "end_to_end_per_s": row["tasks"] / row["seconds"],
        "last_accepted_to_last_complete_ms": 1000 * row["drain"],
    }


async def single_submits(pool: Pool, database: asyncpg.Connection, *, tasks: int) -> Figures:
    """Submit tasks one by one over every connection at once."""
    tag = f"bench-{uuid4().hex[:12]}"
    start = time.monotonic()
    await asyncio.gather(*(pool.post("/v1/tasks", {"handler": "demo.noop", "tags": [tag]}) for _ in range(tasks)))
    accepting = time.monotonic() - start
    await _drained(database, tag)
    row = await database.fetchrow(_SPAN, tag)
    return {
        "tasks": row["tasks"],
        "accepted_per_s": tasks / accepting,
        "last_accepted_to_last_complete_ms": 1000 * row["drain"],
    }


async def _drained(database: asyncpg.Connection, tag: str) -> None:
    async def nothing_open() -> bool:
        return not await database.fetchval(_OPEN, tag)

    await wait_until(nothing_open, timeout=120, what="the end of the last task")
