"""Promotion on a real PostgreSQL."""

import asyncio

from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import NOW, Rows, Wakes, after, count
from tests.support import text

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.promote import SHORTEST_PAUSE, Promote


def promote(engine: Engine, size: int = 100, registry: CollectorRegistry | None = None) -> tuple[Promote, Wakes]:
    wakes = Wakes()
    counts = Counts(registry or CollectorRegistry())
    return Promote(engine=engine, wake_dispatcher=wakes, counts=counts, size=size), wakes


async def test_what_is_due_becomes_ready_and_the_dispatcher_is_woken(engine: Engine) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    task_id = await rows.task("waiting", wait_until=after(-0.02))
    tick, wakes = promote(engine, registry=registry)
    await tick.tick(NOW)
    row = await rows.task_row(task_id)
    assert (row["state"], row["ready_at"], row["wait_until"]) == ("ready", NOW, None)
    assert wakes.times == 1
    assert count(registry, "tidewheel_scheduler_promoted_total") == 1
    assert count(registry, "tidewheel_scheduler_lag_seconds_bucket", le="0.01") == 0
    assert count(registry, "tidewheel_scheduler_lag_seconds_bucket", le="0.025") == 1


async def test_a_task_is_due_at_its_very_instant(engine: Engine) -> None:
    rows = Rows(engine)
    task_id = await rows.task("waiting", wait_until=NOW)
    await promote(engine)[0].tick(NOW)
    assert (await rows.task_row(task_id))["state"] == "ready"


async def test_what_is_not_due_waits_and_its_time_ends_the_pause(engine: Engine) -> None:
    rows = Rows(engine)
    task_id = await rows.task("waiting", wait_until=after(0.25))
    tick, wakes = promote(engine)
    assert await tick.tick(NOW) == 0.25
    assert (await rows.task_row(task_id))["state"] == "waiting"
    assert wakes.times == 0


async def test_nothing_waiting_means_the_usual_pause(engine: Engine) -> None:
    await Rows(engine).task("ready")
    assert await promote(engine)[0].tick(NOW) is None


async def test_a_full_batch_takes_the_longest_due_and_comes_again(engine: Engine) -> None:
    rows = Rows(engine)
    late = await rows.task("waiting", wait_until=after(-10))
    later = await rows.task("waiting", wait_until=after(-20))
    tick, _ = promote(engine, size=1)
    assert await tick.tick(NOW) == AGAIN
    assert (await rows.task_row(later))["state"] == "ready"
    assert (await rows.task_row(late))["state"] == "waiting"


async def test_a_row_that_another_transaction_holds_is_skipped_without_spinning(engine: Engine) -> None:
    rows = Rows(engine)
    held = await rows.task("waiting", wait_until=after(-10))
    free = await rows.task("waiting", wait_until=after(-5))
    async with engine.begin() as other:
        await other.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": held})
        pause = await promote(engine)[0].tick(NOW)
    assert pause == SHORTEST_PAUSE
    assert (await rows.task_row(free))["state"] == "ready"
    assert (await rows.task_row(held))["state"] == "waiting"


async def test_two_schedulers_promote_each_task_once(engine: Engine, database_url: str) -> None:
    rows = Rows(engine)
    await rows.tasks(200, "waiting", wait_until=after(-1))
    other = open_engine(database_url, application_name="other", pool_size=2)
    registries = [CollectorRegistry(), CollectorRegistry()]
    ticks = [promote(pool, 30, registry)[0] for pool, registry in zip((engine, other), registries, strict=True)]

    async def drain(tick: Promote) -> None:
        while await tick.tick(NOW) is not None:
            pass

    try:
        await asyncio.gather(*(drain(tick) for tick in ticks))
    finally:
        await other.dispose()
    assert {row["state"] for row in await rows.all_tasks()} == {"ready"}
    assert sum(count(registry, "tidewheel_scheduler_promoted_total") for registry in registries) == 200


async def test_promotion_finds_its_rows_by_their_index(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.tasks(10_000, "ready")
    await rows.tasks(20, "waiting", wait_until=after(-1))
    plan = await rows.plan("tasks_promote", now=NOW, size=1000)
    assert "Index Scan using tasks_waiting" in plan
    assert "Index Cond: (wait_until <=" in plan
    assert "Seq Scan on tasks" not in plan, plan
    assert "tasks_waiting" in await rows.plan("tasks_next_due", now=NOW)
