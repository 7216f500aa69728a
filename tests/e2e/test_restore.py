"""PostgreSQL is put back from a dump and Redis is empty: what was open goes on (docs/operations/restore.md)."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from tests.stack import running_stack
from tests.support import wait_until

from tidewheel_cli.embedded.binaries import postgres_binary
from tidewheel_client import AsyncClient, NotFound


async def _program(name: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(postgres_binary(name)), *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


def _maintenance(url: str) -> str:
    return urlsplit(url)._replace(path="/postgres").geturl()


async def test_after_a_restore_open_tasks_go_on_and_schedules_fire(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    places = {"TIDEWHEEL_DATABASE_URL": empty_database_url, "TIDEWHEEL_REDIS_URL": redis_url}
    dump = str(tmp_path / "tidewheel.dump")

    async with running_stack(tmp_path, environment=places) as stack, AsyncClient(stack.api_url, stack.api_key) as client:
        done = await client.tasks.submit("demo.echo", {"kept": True}, removal_delay=3600)
        assert (await client.tasks.get(done.id, wait=30)).state == "complete"
        later = [(await client.tasks.submit("demo.noop", delay=10)).id for _ in range(20)]
        await client.queues.pause("held")
        held = [(await client.tasks.submit("demo.noop", queue="held")).id for _ in range(20)]
        schedule = await client.schedules.create("beat", "demo.noop", every=1)
        await _program("pg_dump", "--format=custom", f"--file={dump}", empty_database_url)
        after = await client.tasks.submit("demo.noop", idempotency_key="after the dump")
        assert (await client.tasks.get(after.id, wait=30)).state == "complete"

    await _program("pg_restore", "--clean", "--create", f"--dbname={_maintenance(empty_database_url)}", dump)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()

    async with running_stack(tmp_path, environment=places) as stack, AsyncClient(stack.api_url, stack.api_key) as client:
        assert (await client.tasks.get(done.id)).result == {"kept": True}
        await client.queues.resume("held")
        ends = [await client.tasks.get(each, wait=30) for each in (*later, *held)]
        assert {end.state for end in ends} == {"complete"}
        with pytest.raises(NotFound):
            await client.tasks.get(after.id)
        again = await client.tasks.submit("demo.noop", idempotency_key="after the dump")
        assert (await client.tasks.get(again.id, wait=30)).state == "complete"
        fires = [fire.nominal_at async for fire in client.schedules.fires(schedule.id)]

        async def fired_again() -> bool:
            return any([fire.nominal_at not in fires async for fire in client.schedules.fires(schedule.id)])

        await wait_until(fired_again, timeout=30, what="the schedule to fire again")
