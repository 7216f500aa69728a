"""Paused and limited queues: what may not run is not in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select
from tests.integration.dispatcher_rig import Rig, ago, opened_rig

from tidewheel_common.core.task import Priority
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.expression import render
from tidewheel_common.store.tables import queues
from tidewheel_dispatcher.grants import ROOM_PAUSE


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        await opened.executor("demo.echo")
        yield opened


async def test_nothing_of_a_paused_queue_goes_and_others_go_on(rig: Rig) -> None:
    await rig.tasks(3)
    await rig.tasks(2, queue="other")
    await rig.valve(paused_at=ago(1))
    assert await rig.relay.tick() is None
    assert await rig.states() == {"ready": 3, "queued": 2}


async def test_a_pause_ends_by_itself_or_when_it_is_resumed(rig: Rig) -> None:
    await rig.tasks(3)
    await rig.valve(paused_at=ago(2), paused_until=ago(-60))
    await rig.relay.tick()
    assert await rig.states() == {"ready": 3}
    await rig.valve(paused_at=ago(2), paused_until=ago(1))
    await rig.relay.tick()
    assert await rig.states() == {"queued": 3}


async def test_what_is_queued_when_the_pause_comes_is_taken_back_and_keeps_its_place(rig: Rig) -> None:
    (task_id,) = await rig.tasks(1)
    await rig.tasks(1, queue="other")
    await rig.tasks(1, "running")
    await rig.relay.tick()
    before = await rig.row(task_id)
    await rig.valve(paused_at=ago(0))
    assert await rig.withdraw.tick() is None
    after = await rig.row(task_id)
    assert (after["state"], after["ready_at"]) == ("ready", before["queued_at"])
    assert await rig.states() == {"ready": 1, "queued": 1, "running": 1}
    assert rig.count("withdrawn") == 1
    await rig.valve()
    await rig.relay.tick()
    assert (await rig.row(task_id))["state"] == "queued"


async def test_a_concurrency_limit_counts_what_is_queued_and_running(rig: Rig) -> None:
    await rig.tasks(2, "running")
    await rig.tasks(10)
    await rig.valve(concurrency=5)
    assert await rig.relay.tick() == ROOM_PAUSE
    assert await rig.states() == {"running": 2, "queued": 3, "ready": 7}
    assert await rig.relay.tick() == ROOM_PAUSE
    assert await rig.states() == {"running": 2, "queued": 3, "ready": 7}


async def test_the_slots_go_to_the_most_urgent_line(rig: Rig) -> None:
    await rig.tasks(4, priority=2, ready_at=ago(100))
    await rig.tasks(2, priority=0)
    await rig.valve(concurrency=3)
    assert await rig.relay.tick() == ROOM_PAUSE
    assert (len(await rig.hints(priority=Priority.HIGH)), len(await rig.hints(priority=Priority.LOW))) == (2, 0)
    await rig.relay.tick()
    assert len(await rig.hints(priority=Priority.HIGH)) == 2
    assert len(await rig.hints(priority=Priority.LOW)) == 1


async def test_two_dispatchers_keep_one_limit(rig: Rig, database_url: str, redis_url: str) -> None:
    await rig.tasks(50)
    await rig.valve(concurrency=7)
    async with opened_rig(database_url, redis_url) as other:
        for _ in range(5):
            await asyncio.gather(rig.relay.tick(), other.relay.tick())
    assert await rig.states() == {"queued": 7, "ready": 43}


async def test_a_rate_lets_a_seconds_worth_go_and_then_what_time_brings(rig: Rig) -> None:
    await rig.tasks(50)
    await rig.valve(rate=10.0)
    await rig.relay.tick()
    assert await rig.states() == {"queued": 10, "ready": 40}
    async with rig.engine.connect() as connection:
        left = (await connection.execute(render(select(queues.c.tokens)))).scalar_one()
        assert left == 0
        await connection.execute(render(queues.update().values(tokens_at=ago(0.55))))
    await rig.relay.tick()
    assert (await rig.states())["queued"] in {15, 16}


async def test_a_queue_without_limits_is_not_held_up_by_one_with(rig: Rig) -> None:
    await rig.tasks(300)
    await rig.tasks(300, queue="other")
    await rig.valve(concurrency=1)
    while await rig.relay.tick() == AGAIN:
        continue
    assert await rig.states() == {"queued": 301, "ready": 299}
