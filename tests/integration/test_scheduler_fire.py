"""Recurring schedules on a real PostgreSQL."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import NOW, TENANT, Rows, Wakes, after, count
from tests.support import text

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.fire import SHORTEST_PAUSE, Fire

TASK = UUID(int=7)


def fire(engine: Engine, size: int = 100, registry: CollectorRegistry | None = None) -> tuple[Fire, Wakes]:
    wakes = Wakes()
    counts = Counts(registry or CollectorRegistry())
    return Fire(engine=engine, wake_dispatcher=wakes, counts=counts, size=size), wakes


async def test_a_due_schedule_leaves_a_ready_task_with_its_own_sealed_payload(engine: Engine) -> None:
    rows, wakes, registry = Rows(engine), Wakes(), CollectorRegistry()
    schedule_id = await rows.schedule()
    tick = Fire(engine=engine, wake_dispatcher=wakes, counts=Counts(registry), new_id=lambda: TASK)
    await tick.tick(NOW)
    task = await rows.task_row(TASK)
    expected = {
        "tenant_id": TENANT,
        "handler": "demo.echo",
        "queue": "reports",
        "priority": 0,
        "state": "ready",
        "payload": b"sealed for the schedule",
        "max_attempts": 3,
        "timeout": 30.0,
        "removal_delay": 60.0,
        "delivery": "at_most_once",
        "tags": ["eu"],
        "schedule_id": schedule_id,
        "nominal_at": NOW,
        "run_at": NOW,
        "ready_at": NOW,
        "created_at": NOW,
        "attempt": 0,
    }
    assert {name: task[name] for name in expected} == expected
    assert wakes.times == 1
    assert count(registry, "tidewheel_scheduler_fired_total") == 1


async def test_a_fire_is_written_down_and_the_schedule_moves_on(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule()
    assert await fire(engine)[0].tick(after(5)) == 55.0
    schedule = await rows.schedule_row(schedule_id)
    assert (schedule["last_run_at"], schedule["next_run_at"]) == (NOW, after(60))
    written = {(row["schedule_id"], row["nominal_at"], row["fired_at"]) for row in await rows.all_fires()}
    assert written == {(schedule_id, NOW, after(5))}


async def test_a_downtime_yields_one_fire_for_the_latest_nominal_time(engine: Engine) -> None:
    rows = Rows(engine)
    steady = await rows.schedule(next_run_at=after(-3600))
    nightly = await rows.schedule(cron="30 2 * * *", timezone="Europe/Berlin", next_run_at=after(-10 * 86400))
    await fire(engine)[0].tick(after(7))
    fired = {row["schedule_id"]: row["nominal_at"] for row in await rows.all_fires() if row["outcome"] == "late"}
    assert fired == {steady: NOW, nightly: NOW.replace(hour=0, minute=30)}
    assert (await rows.schedule_row(nightly))["next_run_at"] == NOW.replace(day=2, hour=0, minute=30)
    assert len(await rows.all_tasks()) == 2


async def test_a_nominal_time_that_has_fired_is_not_fired_again(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule()
    tick, wakes = fire(engine)
    await tick.tick(NOW)
    await _set_back(engine, schedule_id)
    await tick.tick(NOW)
    assert len(await rows.all_tasks()) == len(await rows.all_fires()) == 1
    assert (await rows.schedule_row(schedule_id))["next_run_at"] == after(60)
    assert wakes.times == 1


async def test_a_schedule_that_is_not_due_or_is_paused_does_not_fire(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.schedule(next_run_at=after(0.3))
    await rows.schedule(next_run_at=None, paused_at=NOW)
    tick, wakes = fire(engine)
    assert await tick.tick(NOW) == 0.3
    assert await rows.all_tasks() == []
    assert wakes.times == 0


async def test_no_schedule_means_the_usual_pause(engine: Engine) -> None:
    assert await fire(engine)[0].tick(NOW) is None


async def test_schedules_that_no_clock_can_follow_are_paused_and_stop_nobody(engine: Engine) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    broken = [
        await rows.schedule(timezone="Mars/Olympus"),
        await rows.schedule(cron="61 * * * *"),
        await rows.schedule(cron="nonsense", next_run_at=after(-5)),
        await rows.schedule(every=1e300),
        await rows.schedule(every=float("nan")),
    ]
    sound = await rows.schedule()
    await fire(engine, registry=registry)[0].tick(NOW)
    assert [row["schedule_id"] for row in await rows.all_tasks()] == [sound]
    for schedule_id in broken:
        row = await rows.schedule_row(schedule_id)
        assert (row["paused_at"], row["next_run_at"]) == (NOW, None)
        assert row["pause_reason"].endswith("Change it and resume it.")
    assert count(registry, "tidewheel_scheduler_paused_total") == len(broken)


async def test_a_fire_that_is_refused_leaves_no_half_behind_and_stops_nobody(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    await _refuse(engine, "poison")
    bad = await rows.schedule(handler="poison")
    good = [await rows.schedule() for _ in range(3)]
    tick, _ = fire(engine, registry=registry)

    assert await tick.tick(NOW) == 1.0

    assert {row["schedule_id"] for row in await rows.all_tasks()} == set(good)
    assert {row["schedule_id"] for row in await rows.all_fires()} == set(good)
    row = await rows.schedule_row(bad)
    assert (row["next_run_at"], row["failures"], row["retry_at"], row["paused_at"]) == (NOW, 1, after(1), None)
    assert "violates check constraint" in row["last_error"]
    logged = capsys.readouterr().out
    assert "fire refused" in logged
    assert "Failing row" not in row["last_error"] + logged
    assert count(registry, "tidewheel_scheduler_fires_refused_total") == 1
    assert count(registry, "tidewheel_scheduler_failing_schedules") == 1
    assert count(registry, "tidewheel_scheduler_nominal_times_total", outcome="fired") == 3


async def test_a_refused_fire_is_tried_later_and_later_and_is_not_lost(engine: Engine) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    await _refuse(engine, "poison")
    bad = await rows.schedule(handler="poison", every=3600.0)
    tick, _ = fire(engine, registry=registry)
    for seconds, wait in ((0, 1.0), (0.5, 0.5), (1, 2.0), (3, 4.0), (7, 8.0)):
        assert await tick.tick(after(seconds)) == wait

    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE tasks DROP CONSTRAINT tasks_refused"))
    await tick.tick(after(15))

    [written] = await rows.all_fires()
    row = await rows.schedule_row(bad)
    assert (written["nominal_at"], written["outcome"], written["reason"]) == (NOW, "late", "It fired 15.0 s late.")
    assert (row["next_run_at"], row["failures"], row["last_error"], row["retry_at"]) == (after(3600), 0, None, None)
    assert count(registry, "tidewheel_scheduler_failing_schedules") == 0


async def test_a_fire_that_waited_for_a_run_may_be_refused_as_well(engine: Engine) -> None:
    rows = Rows(engine)
    await _refuse(engine, "poison")
    bad = await rows.schedule(handler="poison", overlap="queue_one", held_at=after(-60), next_run_at=after(600))
    tick, _ = fire(engine)
    assert await tick.tick(NOW) == 600.0
    row = await rows.schedule_row(bad)
    assert (row["held_at"], row["next_run_at"], row["failures"]) == (after(-60), after(600), 1)


async def test_a_turn_that_cannot_be_worked_out_is_put_off_and_says_so(engine: Engine) -> None:
    rows = Rows(engine)
    bad = await rows.schedule(overlap="allow", rule={"max_fires": "many"})
    good = await rows.schedule()
    await fire(engine)[0].tick(NOW)
    assert [row["schedule_id"] for row in await rows.all_tasks()] == [good]
    assert (await rows.schedule_row(bad))["last_error"] == "It could not be worked out (TypeError); the log says more."


async def test_a_full_batch_comes_again(engine: Engine) -> None:
    rows = Rows(engine)
    for _ in range(3):
        await rows.schedule()
    tick, _ = fire(engine, size=2)
    assert [await tick.tick(NOW), await tick.tick(NOW)] == [AGAIN, 60.0]
    assert len(await rows.all_tasks()) == 3


async def test_racing_schedulers_fire_each_nominal_time_exactly_once(engine: Engine, database_url: str) -> None:
    rows = Rows(engine)
    schedule_ids = [await rows.schedule() for _ in range(60)]
    other = open_engine(database_url, application_name="other", pool_size=4)

    async def run(tick: Fire) -> None:
        for minute in range(5):
            while await tick.tick(after(60 * minute)) in {AGAIN, SHORTEST_PAUSE}:
                pass

    try:
        await asyncio.gather(*(run(fire(pool, 7)[0]) for pool in (engine, other, engine, other)))
    finally:
        await other.dispose()
    fired = Counter((row["schedule_id"], row["nominal_at"]) for row in await rows.all_tasks())
    assert fired == Counter((schedule_id, after(60 * minute)) for schedule_id in schedule_ids for minute in range(5))


async def test_firing_finds_its_schedules_by_their_index(engine: Engine) -> None:
    rows = Rows(engine)
    await _many_paused(engine, await rows.schedule(), 10_000)
    plan = await rows.plan("schedules_due", now=NOW, size=200)
    assert "Index Scan using schedules_due" in plan
    assert "Index Cond: (next_run_at <=" in plan
    assert "schedules_due" in await rows.plan("schedules_outlook", now=NOW)


async def _refuse(engine: Engine, handler: str) -> None:
    """Let the schema refuse the tasks of a handler."""
    async with engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE tasks ADD CONSTRAINT tasks_refused CHECK (handler <> '{handler}')"))


async def _set_back(engine: Engine, schedule_id: UUID) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE schedules SET next_run_at = :now WHERE id = :id"), {"now": NOW, "id": schedule_id}
        )


async def _many_paused(engine: Engine, schedule_id: UUID, count: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO schedules (id, tenant_id, name, handler, queue, priority, payload, every, timezone, "
                "max_attempts, removal_delay, delivery, starts_at) SELECT gen_random_uuid(), tenant_id, n::text, "
                "handler, queue, priority, payload, every, timezone, max_attempts, removal_delay, delivery, starts_at "
                "FROM schedules, generate_series(1, :count) AS n WHERE id = :id"
            ),
            {"count": count, "id": schedule_id},
        )
