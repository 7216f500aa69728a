"""Tasks that nobody serves: they wait, they block nobody, and they are never lost."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.dispatcher_rig import Rig, ago, opened_rig

from tidewheel_common.process.loop import AGAIN
from tidewheel_dispatcher.served import LINGER


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        yield opened


async def test_a_queue_that_no_live_executor_serves_is_left_alone(rig: Rig) -> None:
    await rig.executor("demo.echo", queues=("mail",))
    await rig.executor("demo.echo", silent=60.0)
    (task_id,) = await rig.tasks(1)
    before = (await rig.row(task_id))["ready_at"]
    assert await rig.relay.tick() is None
    row = await rig.row(task_id)
    assert (row["state"], row["ready_at"]) == ("ready", before)


async def test_a_task_whose_handler_nobody_serves_is_parked_and_does_not_block_the_others(rig: Rig) -> None:
    await rig.executor("demo.echo")
    (unknown,) = await rig.tasks(1, handler="who.knows", ready_at=ago(90))
    (known,) = await rig.tasks(1)
    assert await rig.relay.tick() is None
    row = await rig.row(unknown)
    assert (row["state"], row["queued_at"]) == ("ready", None)
    assert [hint.task_id for hint in await rig.hints()] == [known]
    assert rig.count("parked") == 1
    assert await rig.relay.tick() is None
    assert rig.count("parked") == 1


async def test_parked_tasks_come_back_when_their_handler_appears(rig: Rig) -> None:
    await rig.executor("demo.echo")
    ids = await rig.tasks(1500, handler="who.knows")
    others = await rig.tasks(2, handler="nobody.knows")
    while await rig.relay.tick() == AGAIN:
        continue
    assert await rig.unpark.tick() is None
    assert rig.count("unparked") == 0

    await rig.executor("who.knows")
    await rig.relay.tick()
    assert await rig.unpark.tick() == AGAIN
    assert await rig.unpark.tick() is None
    assert await rig.unpark.tick() is None
    assert rig.count("unparked") == 1500
    await rig.read(1)
    while await rig.relay.tick() == AGAIN:
        continue
    assert {hint.task_id for hint in await rig.hints()} <= set(ids)
    assert {(await rig.row(task_id))["state"] for task_id in others} == {"ready"}


async def test_what_was_ready_before_the_clock_went_back_does_not_wait_until_it_is_as_late_again(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.relay.tick()
    await rig.unpark.tick()
    (stranded,) = await rig.tasks(1, ready_at=ago(-3600))
    await rig.tasks(1, handler="who.knows", ready_at=ago(-3600))
    await rig.unpark.tick()
    await rig.relay.tick()
    assert await rig.hints() == []

    await rig.jumped()
    await rig.unpark.tick()
    await rig.unpark.tick()
    await rig.relay.tick()
    assert [hint.task_id for hint in await rig.hints()] == [stranded]
    assert rig.count("unparked") == 1


async def test_who_gave_a_sign_of_life_in_the_future_is_not_alive(rig: Rig) -> None:
    await rig.executor("demo.echo", silent=-3600.0)
    await rig.tasks(1)
    await rig.relay.tick()
    assert await rig.states() == {"ready": 1}


async def test_a_dispatcher_that_has_just_started_brings_back_what_an_older_one_parked(
    rig: Rig, database_url: str, redis_url: str
) -> None:
    executor = await rig.executor("demo.echo")
    await rig.tasks(1, handler="who.knows")
    await rig.relay.tick()
    await rig.gone(executor)
    await rig.executor("who.knows")
    async with opened_rig(database_url, redis_url) as young:
        await young.relay.tick()
        await young.unpark.tick()
        await young.relay.tick()
        assert await young.states() == {"queued": 1}


async def test_a_handler_on_another_queue_does_not_bring_tasks_back(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1, handler="who.knows")
    await rig.relay.tick()
    await rig.executor("who.knows", queues=("mail",))
    await rig.relay.tick()
    await rig.unpark.tick()
    assert rig.count("unparked") == 0


async def test_an_executor_that_restarts_parks_nothing(rig: Rig) -> None:
    await rig.executor("demo.echo")
    leaving = await rig.executor("reports.daily")
    await rig.relay.tick()
    await rig.roster.refresh()
    await rig.gone(leaving)
    rig.time += LINGER / 2
    await rig.tasks(1, handler="reports.daily")
    await rig.relay.tick()
    assert rig.count("parked") == 0
    assert await rig.states() == {"queued": 1}


async def test_an_outage_of_all_executors_parks_nothing(rig: Rig) -> None:
    executor = await rig.executor("demo.echo")
    await rig.roster.refresh()
    await rig.gone(executor)
    rig.time += 10 * LINGER
    await rig.tasks(5)
    await rig.relay.tick()
    await rig.executor("demo.echo")
    await rig.relay.tick()
    assert rig.count("parked") == 0
    assert await rig.states() == {"queued": 5}
