"""Concurrency keys: how many of a key's tasks are in Redis or running, whoever dispatches."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from tests.integration.dispatcher_rig import Rig, ago, opened_rig
from tests.support import text

from tidewheel_common.process.loop import AGAIN


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        await opened.executor("demo.echo")
        yield opened


async def _complete(rig: Rig, count: int) -> list[UUID]:
    """Let some queued tasks run to their end."""
    async with rig.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "UPDATE tasks SET state = 'complete', queued_at = NULL, lease_until = NULL, remove_at = now() "
                "WHERE id IN (SELECT id FROM tasks WHERE state = 'queued' ORDER BY queued_at, id LIMIT :count) "
                "RETURNING id"
            ),
            {"count": count},
        )
        return list(rows.scalars())


async def test_a_key_lets_one_go_at_a_time_in_the_order_of_the_line(rig: Rig) -> None:
    ids = [task_id for age in (9, 8, 7) for task_id in await rig.tasks(1, concurrency_key="k", ready_at=ago(age))]
    done: list[UUID] = []
    for _ in ids:
        await rig.slots.tick()
        await rig.relay.tick()
        assert (await rig.states())["queued"] == 1
        done += await _complete(rig, 1)
    assert done == ids


async def test_a_running_task_has_its_slot_and_a_limit_is_kept(rig: Rig) -> None:
    await rig.tasks(1, "running", concurrency_key="k", concurrency_limit=3)
    await rig.tasks(5, concurrency_key="k", concurrency_limit=3)
    await rig.relay.tick()
    await rig.slots.tick()
    await rig.relay.tick()
    assert await rig.states() == {"running": 1, "queued": 2, "ready": 3}


async def test_keys_of_other_tenants_and_other_keys_have_slots_of_their_own(rig: Rig) -> None:
    await rig.tasks(2, concurrency_key="k")
    await rig.tasks(2, concurrency_key="other")
    await rig.tasks(2, concurrency_key="k", tenant_id=UUID(int=7))
    await rig.relay.tick()
    assert await rig.states() == {"queued": 3, "ready": 3}


async def test_who_has_no_slot_does_not_hold_up_the_line(database_url: str, redis_url: str) -> None:
    async with opened_rig(database_url, redis_url, budget=50) as rig:
        await rig.executor("demo.echo")
        await rig.tasks(200, concurrency_key="k", ready_at=ago(100))
        await rig.tasks(10)
        while await rig.relay.tick() == AGAIN:
            continue
        assert await rig.states() == {"queued": 11, "ready": 199}
        assert await rig.relay.tick() is None, "they are parked, and not looked at again and again"


async def test_two_dispatchers_keep_one_key(rig: Rig, database_url: str, redis_url: str) -> None:
    await rig.tasks(40, concurrency_key="k", concurrency_limit=3)
    async with opened_rig(database_url, redis_url) as other:
        for _ in range(12):
            await asyncio.gather(rig.relay.tick(), other.relay.tick(), rig.slots.tick(), other.slots.tick())
            assert (await rig.states()).get("queued", 0) <= 3
            await _complete(rig, 1)
    assert (await rig.states())["complete"] >= 10


async def test_without_keys_there_is_nothing_to_look_at(rig: Rig) -> None:
    await rig.tasks(5)
    assert await rig.slots.tick() is None
    await rig.relay.tick()
    assert await rig.states() == {"queued": 5}


@pytest.mark.parametrize("name", ["keyed_ready", "limits_exist"])
async def test_a_young_table_is_not_read_in_search_of_keys(rig: Rig, name: str) -> None:
    await rig.tasks(1_000)
    plan = await rig.plan(name, analysed=False)
    assert "using tasks_keyed_ready" in plan
    assert "Seq Scan on tasks" not in plan
