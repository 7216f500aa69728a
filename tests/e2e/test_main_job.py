"""The main job through HTTP and all five processes."""

from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.stack import Stack
from tests.support import wait_until

from tidewheel_client import AsyncClient, AsyncTaskHandle, NotFound, Task
from tidewheel_client.models import TaskSummary


async def test_a_task_runs_and_its_result_is_readable(client: AsyncClient) -> None:
    task = await client.submit("demo.distance", {"x": 3, "y": 4})

    done = await task.wait(30)

    assert (done.state, done.result, done.attempt) == ("complete", 5.0, 1)


async def test_a_scheduled_task_does_not_start_early(client: AsyncClient) -> None:
    task = await client.submit("demo.echo", {"late": True}, delay=1)
    assert task.task is not None
    assert task.task.state == "waiting"

    done = await task.wait(30)

    assert done.state == "complete"
    assert done.started_at is not None
    assert done.started_at >= done.run_at


async def test_a_failing_task_is_retried_and_ends_dead_with_its_execution_log(client: AsyncClient) -> None:
    task = await client.submit("demo.fail", {}, max_attempts=3, backoff={"initial": 0.05})

    done = await task.wait(30)

    assert (done.state, done.reason, done.failures) == ("dead", "attempts_exhausted", 3)
    assert [entry.attempt for entry in await client.tasks.attempts(task)] == [1, 2, 3]


async def test_a_redriven_task_starts_over(client: AsyncClient) -> None:
    task = await client.submit("demo.fail", {}, max_attempts=1)
    await task.wait(30)

    await client.tasks.redrive(task)
    again = await wait_until(lambda: _attempted(task, 2), what="the second attempt")

    assert again is not None
    assert (again.state, again.failures) == ("dead", 1)


async def _attempted(handle: AsyncTaskHandle, attempt: int) -> Task | None:
    task = await handle.wait(5)
    return task if task.attempt == attempt and task.state == "dead" else None


async def test_a_task_is_gone_after_its_removal_delay_and_not_before_it_is_final(client: AsyncClient) -> None:
    task = await client.submit("demo.echo", {}, removal_delay=0.5)
    assert (await task.wait(30)).state == "complete"

    assert await wait_until(lambda: _is_gone(task), what="the removal")


async def _is_gone(handle: AsyncTaskHandle) -> bool:
    try:
        await handle.get()
    except NotFound:
        return True
    return False


async def test_a_schedule_fires_each_nominal_time_once(client: AsyncClient) -> None:
    name = f"each-second-{uuid4().hex[:6]}"
    schedule = await client.schedules.create(name, "demo.echo", every=1, tags=[name])

    try:
        fired = await wait_until(lambda: _complete(client, name, 3), timeout=30, what="three fires")
    finally:
        await client.schedules.delete(schedule)

    times = [task.nominal_at for task in fired]
    assert len(times) == len(set(times))


async def _complete(client: AsyncClient, tag: str, count: int) -> list[TaskSummary]:
    found = [task async for task in client.tasks.list(tag=tag) if task.state == "complete"]
    return found if len(found) >= count else []


async def test_a_handler_that_nobody_serves_waits_and_is_never_dead(client: AsyncClient) -> None:
    unserved = await client.submit("nobody.serves.this", {})
    after = await client.submit("demo.echo", {})

    assert (await after.wait(30)).state == "complete"
    assert (await unserved.get()).state in {"ready", "queued"}
    await unserved.cancel()
    assert (await unserved.get()).state == "cancelled"


async def test_no_plaintext_reaches_postgresql_redis_or_a_log(client: AsyncClient, stack: Stack) -> None:
    canary = f"canary{uuid4().hex}"
    tasks = [
        await client.submit("demo.echo", {"secret": canary}),
        await client.submit("demo.fail", {"message": canary}, max_attempts=1),
        await client.submit("demo.echo", {"secret": canary}, delay=3600),
        await client.submit("nobody.serves.this", {"secret": canary}),
    ]
    for task in tasks[:2]:
        await task.wait(30)

    rows = await _everything_in_postgresql(stack.database_url)
    entries = await _everything_in_redis(stack.redis_url)

    assert canary.encode() not in rows
    assert canary.encode().hex().encode() not in rows
    assert canary.encode() not in entries
    assert canary not in stack.logs()
    assert str(tasks[0].id).encode() in rows, "the search would have found it"
    for task in tasks[2:]:
        await task.cancel()


async def _everything_in_postgresql(url: str) -> bytes:
    connection = await asyncpg.connect(url)
    try:
        tables = [
            row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        texts = [row[0] for table in tables for row in await connection.fetch(f"SELECT t::text FROM {table} AS t")]
    finally:
        await connection.close()
    return "\n".join(texts).encode()


async def _everything_in_redis(url: str) -> bytes:
    found: list[bytes] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter():
            found.append(key)
            if await redis.type(key) == b"stream":
                found.extend(repr(entry).encode() for entry in await redis.xrange(key) or [])
    return b"\n".join(found)


@pytest.mark.parametrize("handler", ["demo.sleep"])
async def test_async_handlers_run_beside_each_other(client: AsyncClient, handler: str) -> None:
    results = await client.submit_batch([{"handler": handler, "payload": {"seconds": 0.2}} for _ in range(8)])

    states = [(await client.tasks.handle(result).wait(30)).state for result in results]

    assert set(states) == {"complete"}
