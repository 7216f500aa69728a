"""Redis loses data, hints vanish: every queued task comes back, and none that still waits in its stream."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.integration.dispatcher_rig import Rig, ago, opened_rig

from tidewheel_cli.embedded import embedded_valkey
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.streams.epoch import finish_epoch, read_signature
from tidewheel_common.streams.keys import BUNDLE_SIZES, EPOCH, GROUP, QUEUES
from tidewheel_common.streams.stream import known_queues
from tidewheel_dispatcher.queries import BEGINNING
from tidewheel_dispatcher.vanished import Search

STREAM = "tidewheel:{default}:medium"


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        await opened.executor("demo.echo")
        await opened.settle()
        yield opened


async def test_the_first_start_on_an_empty_redis_is_a_loss_of_nothing(rig: Rig) -> None:
    assert (await read_signature(rig.redis)).trusted
    assert rig.count("redis_losses") == 1
    assert await rig.rehydrate.tick() is None


async def test_after_flushall_every_queued_task_comes_back_and_running_ones_are_not_touched(rig: Rig) -> None:
    ids = await rig.tasks(1200)
    await rig.tasks(3, "running")
    await rig.relay.tick()
    await rig.redis.flushall()
    await rig.settle()
    assert await rig.states() == {"ready": 1200, "running": 3}
    assert rig.wake.is_set()
    assert rig.count("rehydrated") == 1000
    await rig.relay.tick()
    assert {hint.task_id for hint in await rig.hints()} <= set(ids)
    assert [group["name"].decode() for group in await rig.redis.xinfo_groups(STREAM)] == [GROUP]
    assert (await read_signature(rig.redis)).trusted


async def test_two_dispatchers_that_see_the_same_loss_take_each_task_back_once(
    rig: Rig, database_url: str, redis_url: str
) -> None:
    await rig.tasks(900)
    await rig.relay.tick()
    async with opened_rig(database_url, redis_url) as other:
        await rig.redis.flushall()
        await asyncio.gather(rig.settle(), other.settle())
        assert await rig.states() == {"ready": 900}
        assert rig.count("rehydrated") + other.count("rehydrated") == 900


async def test_a_second_loss_while_the_first_is_mended_is_seen(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.tasks(2)
    await rig.relay.tick()
    await rig.redis.flushall()
    step = Search.step

    async def step_and_lose(search: Search) -> bool:
        more = await step(search)
        await rig.relay.tick()
        await rig.redis.flushall()
        return more

    with monkeypatch.context() as patch:
        patch.setattr(Search, "step", step_and_lose)
        assert await rig.rehydrate.tick() == AGAIN
    assert await rig.states() == {"queued": 2}
    assert await rig.redis.get(EPOCH) is None
    await rig.settle()
    assert await rig.states() == {"ready": 2}


async def test_a_restart_that_kept_everything_takes_nothing_back(rig: Rig) -> None:
    await rig.tasks(5)
    await rig.relay.tick()
    signature = await read_signature(rig.redis)
    await rig.redis.set(EPOCH, f"another {signature.replication_id}")
    await rig.settle()
    assert rig.count("redis_losses") == 2
    assert await rig.states() == {"queued": 5}


async def test_a_restart_that_lost_the_last_hints_takes_back_just_these(rig: Rig) -> None:
    kept = await rig.tasks(2)
    await rig.relay.tick()
    lost = await rig.tasks(3)
    await rig.relay.tick()
    entries: Any = await rig.redis.xrange(STREAM)
    await rig.redis.xdel(STREAM, *(entry_id for entry_id, _ in entries[2:]))
    await rig.redis.set(EPOCH, "another server")
    await rig.settle()
    assert {(await rig.row(task_id))["state"] for task_id in kept} == {"queued"}
    assert {(await rig.row(task_id))["state"] for task_id in lost} == {"ready"}


async def test_a_deleted_stream_shows_by_its_length(rig: Rig) -> None:
    ids = await rig.tasks(3)
    await rig.relay.tick()
    for task_id in ids:
        await rig.set(task_id, queued_at=ago(4))
    assert await rig.rehydrate.tick() is None
    await rig.redis.delete(STREAM)
    await rig.settle()
    assert await rig.states() == {"ready": 3}


async def test_the_epoch_is_not_written_over_an_emptied_redis(rig: Rig) -> None:
    signature = await read_signature(rig.redis)
    await rig.redis.flushall()
    assert not await finish_epoch(rig.redis, signature)
    assert await rig.redis.get(EPOCH) is None


async def test_an_overdue_task_whose_hint_was_never_pushed_comes_back(rig: Rig) -> None:
    overdue = await rig.tasks(1, "queued", queued_at=ago(31))
    fresh = await rig.tasks(1, "queued", queued_at=ago(2))
    await rig.tasks(1, "running", queued_at=ago(900))
    assert await rig.overdue.tick() is None
    assert (await rig.row(overdue[0]))["state"] == "ready"
    assert (await rig.row(fresh[0]))["state"] == "queued"
    assert (await rig.states())["running"] == 1
    assert rig.count("overdue") == 1
    assert rig.wake.is_set()


async def test_what_was_queued_before_the_clock_went_back_is_not_looked_for_an_hour_later(rig: Rig) -> None:
    (waiting,) = await rig.tasks(1)
    await rig.relay.tick()
    await rig.set(waiting, queued_at=ago(-3600))
    (vanished,) = await rig.tasks(1, "queued", queued_at=ago(-3600))
    assert await rig.overdue.tick() is None
    assert (await rig.row(waiting))["state"] == "queued"
    await rig.relay.tick()  # which would take a task that is ready in an hour for a parked one
    assert {hint.task_id for hint in await rig.hints()} == {waiting, vanished}


async def test_a_queue_whose_name_redis_has_lost_is_found_again_with_what_waits_in_it(rig: Rig) -> None:
    (task_id,) = await rig.tasks(1)
    await rig.relay.tick()
    await rig.redis.delete(QUEUES)
    await rig.set(task_id, queued_at=ago(31))
    await rig.overdue.tick()
    assert await known_queues(rig.redis) == ["default"]
    assert (await rig.row(task_id))["state"] == "queued"  # its hint is there; only nobody looked


async def test_an_overdue_task_that_still_waits_in_its_stream_stays_there(rig: Rig) -> None:
    ids = await rig.tasks(1300)
    for _ in range(2):
        await rig.relay.tick()
        await rig.read(400)
    queued = [hint.task_id for hint in await rig.hints()]
    for task_id in queued[:20]:
        await rig.set(task_id, queued_at=ago(100))
    waiting = queued[-20:]
    for task_id in waiting:
        await rig.set(task_id, queued_at=ago(90))
    assert len(ids) == len(queued)
    assert await rig.overdue.tick() is None
    assert {(await rig.row(task_id))["state"] for task_id in waiting} == {"queued"}
    # What an executor has read and not claimed for so long comes back: recovery belongs to PostgreSQL.
    assert {(await rig.row(task_id))["state"] for task_id in queued[:20]} == {"ready"}


async def queued_in_bundles(rig: Rig) -> None:
    """Let a hundred tasks have waited in three entries for a while."""
    await rig.settle()
    await rig.redis.hset(BUNDLE_SIZES, mapping={"demo.echo": 40})
    await rig.tasks(100)
    await rig.relay.tick()
    await rig.age()


async def test_what_waits_in_a_bundle_is_not_taken_for_lost(rig: Rig) -> None:
    await queued_in_bundles(rig)
    assert await rig.rehydrate.tick() is None
    assert await rig.overdue.tick() is None
    assert await rig.states() == {"queued": 100}
    assert (rig.count("redis_losses"), rig.count("overdue")) == (1, 0)  # the first start of all


async def test_a_stream_that_has_lost_a_bundle_is_short(rig: Rig) -> None:
    await queued_in_bundles(rig)
    await rig.redis.xtrim("tidewheel:{default}:medium", maxlen=2, approximate=False)
    await rig.settle()
    assert await rig.states() == {"queued": 60, "ready": 40}


async def test_a_hint_of_an_older_attempt_does_not_count(rig: Rig) -> None:
    (task_id,) = await rig.tasks(1)
    await rig.relay.tick()
    await rig.set(task_id, attempt=1, queued_at=ago(60))
    await rig.overdue.tick()
    assert (await rig.row(task_id))["state"] == "ready"


async def test_the_overdue_sweep_goes_on_behind_what_it_has_seen(rig: Rig) -> None:
    await rig.tasks(1000)
    await rig.relay.tick()
    for hint in await rig.hints():
        await rig.set(hint.task_id, queued_at=ago(200))
    vanished = await rig.tasks(7, "queued", queued_at=ago(100))
    assert await rig.overdue.tick() == AGAIN
    assert await rig.overdue.tick() is None
    assert await rig.states() == {"queued": 1000, "ready": 7}
    assert {(await rig.row(task_id))["state"] for task_id in vanished} == {"ready"}


async def test_everything_heals_when_the_server_restarts_empty(database_url: str, tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path / "one", durable=False) as url, opened_rig(database_url, url) as before:
        await before.executor("demo.echo")
        await before.settle()
        await before.tasks(4)
        await before.relay.tick()
    async with embedded_valkey(tmp_path / "two", durable=False) as url, opened_rig(database_url, url) as after:
        await after.settle()
        await after.relay.tick()
        assert len(await after.hints()) == 4


async def test_the_sweeps_use_the_index_of_tasks_in_flight(rig: Rig) -> None:
    await rig.history(30_000)
    await rig.tasks(100, "queued", queued_at=ago(60))
    before = datetime(2100, 1, 1, tzinfo=UTC)
    queued = await rig.plan("tasks_queued", after=BEGINNING, after_id=uuid4(), before=before, most=10)
    counted = await rig.plan("queued_count", now=None, age=3.0)
    assert "using tasks_in_flight" in queued
    assert "tasks_in_flight" in counted
