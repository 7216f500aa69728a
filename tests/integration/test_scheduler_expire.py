"""Expiry on a real PostgreSQL."""

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import NOW, Rows, Wakes, after, count

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.expire import Expire


def expire(engine: Engine, size: int = 100, registry: CollectorRegistry | None = None) -> tuple[Expire, Wakes]:
    wakes = Wakes()
    return Expire(engine=engine, announce=wakes, counts=Counts(registry or CollectorRegistry()), size=size), wakes


@pytest.mark.parametrize("state", ["blocked", "waiting", "ready", "queued"])
async def test_what_did_not_start_in_time_expires(engine: Engine, state: str) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    task_id = await rows.task(state, expires_at=NOW, removal_delay=60.0)
    tick, wakes = expire(engine, registry=registry)
    assert await tick.tick(NOW) is None
    row = await rows.task_row(task_id)
    assert (row["state"], row["reason"], row["finished_at"], row["remove_at"]) == ("expired", "expired", NOW, after(60))
    assert wakes.words == [task_id]
    assert count(registry, "tidewheel_scheduler_expired_total") == 1
    assert await rows.all_attempts() == []


@pytest.mark.parametrize("state", ["running", "complete"])
async def test_what_started_or_ended_does_not_expire(engine: Engine, state: str) -> None:
    rows = Rows(engine)
    task_id = await rows.task(state, expires_at=after(-10))
    tick, wakes = expire(engine)
    await tick.tick(NOW)
    assert (await rows.task_row(task_id))["state"] == state
    assert wakes.times == 0


async def test_what_has_time_left_stays(engine: Engine) -> None:
    rows = Rows(engine)
    task_id = await rows.task("ready", expires_at=after(0.001))
    await expire(engine)[0].tick(NOW)
    assert (await rows.task_row(task_id))["state"] == "ready"


async def test_a_full_batch_comes_again(engine: Engine) -> None:
    await Rows(engine).tasks(3, "ready", expires_at=after(-1))
    tick, _ = expire(engine, size=2)
    assert [await tick.tick(NOW), await tick.tick(NOW)] == [AGAIN, None]


@pytest.mark.parametrize("delay", [float("inf"), float("nan"), 1e300])
async def test_an_absurd_removal_delay_stops_nobody(engine: Engine, delay: float) -> None:
    rows = Rows(engine)
    await rows.task("ready", expires_at=after(-1), removal_delay=delay)
    await rows.task("ready", expires_at=after(-1))
    await expire(engine)[0].tick(NOW)
    assert {row["state"] for row in await rows.all_tasks()} == {"expired"}


async def test_expiry_finds_its_rows_by_their_index(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.tasks(10_000, "ready")
    await rows.tasks(20, "ready", expires_at=after(-1))
    plan = await rows.plan("tasks_expire", now=NOW, size=1000, longest=1e9)
    assert "tasks_expiring" in plan
    assert "Index Cond: (expires_at <=" in plan
    assert "Seq Scan on tasks" not in plan, plan
