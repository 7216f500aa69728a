"""The dispatcher and the reaper as processes of their own, from environment variables alone."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func
from tests.integration.dispatcher_rig import Rig, ago, opened_rig
from tests.support import wait_until

from tidewheel_common.streams.keys import WAKE_DISPATCHER


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        await opened.executor("demo.echo")
        yield opened


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "TIDEWHEEL_DATABASE_URL": database_url,
        "TIDEWHEEL_REDIS_URL": redis_url,
        "TIDEWHEEL_HEALTH_PORT": "0",
        "TIDEWHEEL_EXECUTOR_STALE": "600",  # alive for the whole test
    }


@asynccontextmanager
async def running(module: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_dispatcher_pushes_heals_after_flushall_and_stops_when_asked(
    rig: Rig, environment: dict[str, str]
) -> None:
    async with running("tidewheel_dispatcher", environment) as process:
        await rig.tasks(30)
        await wait_until(rig.hints, timeout=20, what="the first hints")
        await rig.redis.flushall()
        await wait_until(rig.hints, timeout=3, what="the hints to come back")
        await wait_until(lambda: rig.redis.publish(WAKE_DISPATCHER, ""), what="the dispatcher to listen again")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert await rig.states() == {"queued": 30}


async def test_the_reaper_deletes_what_is_due_and_stops_when_asked(rig: Rig, environment: dict[str, str]) -> None:
    (gone, kept) = await rig.tasks(2)
    for task_id, remove_at in ((gone, ago(1)), (kept, func.clock_timestamp() + func.make_interval(0, 0, 0, 1))):
        await rig.set(task_id, state="complete", ready_at=None, remove_at=remove_at)

    async def one_is_left() -> bool:
        return await rig.states() == {"complete": 1}

    async with running("tidewheel_reaper", environment) as process:
        await wait_until(one_is_left, timeout=20, what="the removal")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert (await rig.row(kept))["state"] == "complete"


async def test_a_missing_setting_ends_the_process_with_a_sentence(environment: dict[str, str]) -> None:
    del environment["TIDEWHEEL_DATABASE_URL"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_dispatcher"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"TIDEWHEEL_DATABASE_URL is not set." in said
