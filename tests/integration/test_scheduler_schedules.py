"""Pauses that end, overlapping runs, jitter, ends and the ledger, on a real PostgreSQL."""

import json
from datetime import datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import NOW, Rows, Wakes, after, count
from tests.support import text

from tidewheel_common.store.engine import Engine
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.fire import Fire


def fire(engine: Engine, registry: CollectorRegistry | None = None) -> Fire:
    return Fire(engine=engine, wake_dispatcher=Wakes(), counts=Counts(registry or CollectorRegistry()), size=100)


def rule(**parts: object) -> dict[str, object]:
    json.dumps(parts)
    return dict(parts)


async def ledger(rows: Rows) -> list[tuple[datetime, str, bool]]:
    fires = sorted(await rows.all_fires(), key=lambda row: row["nominal_at"])
    return [(row["nominal_at"], row["outcome"], row["task_id"] is not None) for row in fires]


async def end_all(engine: Engine, at: datetime) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE tasks SET state = 'complete', remove_at = :at, ready_at = NULL, queued_at = NULL,"
                " lease_until = NULL, wait_until = NULL WHERE remove_at IS NULL"
            ),
            {"at": at},
        )


@pytest.mark.parametrize(
    ("misfire", "late"),
    [
        ({}, [600.0]),
        ({"policy": "latest", "grace": 10}, []),
        ({"policy": "skip"}, [600.0]),
        ({"policy": "skip", "grace": 90}, [540.0, 600.0]),
        ({"policy": "all"}, [60.0 * minute for minute in range(11)]),
        ({"policy": "all", "grace": 200}, [420.0, 480.0, 540.0, 600.0]),
        ({"policy": "all", "limit": 3}, [480.0, 540.0, 600.0]),
    ],
    ids=str,
)
async def test_a_stop_of_ten_minutes_leaves_one_row_for_each_nominal_time(
    engine: Engine, misfire: dict[str, object], late: list[float]
) -> None:
    rows, registry = Rows(engine), CollectorRegistry()
    await rows.schedule(rule=rule(misfire=misfire))
    await fire(engine, registry).tick(after(620))
    times = [after(60.0 * minute) for minute in range(11)]
    fired = {after(seconds) for seconds in late}
    assert await ledger(rows) == [(time, "late" if time in fired else "missed", time in fired) for time in times]
    assert {row["nominal_at"] for row in await rows.all_tasks()} == fired
    assert all(row["reason"].endswith(".") for row in await rows.all_fires())
    assert count(registry, "tidewheel_scheduler_nominal_times_total", outcome="late") == len(fired)
    assert count(registry, "tidewheel_scheduler_lag_seconds_count") == len(fired)


async def test_an_excluded_day_is_written_down_and_fires_nothing(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule(rule=rule(exclusions=[{"name": "holidays", "dates": ["2026-06-01"]}]))
    await fire(engine).tick(NOW)
    assert await ledger(rows) == [(NOW, "skipped", False)]
    assert (await rows.schedule_row(schedule_id))["next_run_at"] == after(60)


async def test_jitter_makes_the_task_wait_and_leaves_the_ledger_on_its_nominal_time(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.schedule(rule=rule(jitter=50.0))
    await fire(engine).tick(NOW)
    [task] = await rows.all_tasks()
    assert (task["state"], task["nominal_at"]) == ("waiting", NOW)
    assert NOW < task["run_at"] == task["wait_until"] < after(50)
    assert await ledger(rows) == [(NOW, "fired", True)]


async def test_a_task_expires_so_long_after_it_could_start(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.schedule(rule=rule(expires_after=30.0))
    await fire(engine).tick(after(45))
    [late] = await rows.all_tasks()
    assert (late["run_at"], late["expires_at"]) == (NOW, after(75))


async def test_several_specs_fire_from_one_schedule(engine: Engine) -> None:
    rows = Rows(engine)
    specs = [{"cron": "0 12 * * *"}, {"cron": "5 12 * * *"}]
    schedule_id = await rows.schedule(every=None, rule=rule(specs=specs))
    await fire(engine).tick(NOW)
    assert (await rows.schedule_row(schedule_id))["next_run_at"] == after(300)


@pytest.mark.parametrize("parts", [{"max_fires": 2}, {"ends_at": after(60).isoformat()}], ids=str)
async def test_a_schedule_that_has_fired_its_last_time_is_marked_ended(
    engine: Engine, parts: dict[str, object]
) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule(rule=rule(**parts))
    await fire(engine).tick(NOW)
    assert (await rows.schedule_row(schedule_id))["ended_at"] is None
    await fire(engine).tick(after(60))
    row = await rows.schedule_row(schedule_id)
    assert (row["next_run_at"], row["ended_at"], row["fired"]) == (None, after(60), 2)
    assert await fire(engine).tick(after(120)) is None
    assert len(await rows.all_tasks()) == 2


async def test_skip_leaves_out_a_fire_while_a_run_has_not_ended(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.schedule(overlap="skip")
    for minute in range(2):
        await fire(engine).tick(after(60 * minute))
    await end_all(engine, after(90))
    await fire(engine).tick(after(120))
    assert await ledger(rows) == [(NOW, "fired", True), (after(60), "skipped", False), (after(120), "fired", True)]


async def test_queue_one_fires_the_first_one_in_line_when_the_run_has_ended(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule(overlap="queue_one")
    for minute in range(3):
        await fire(engine).tick(after(60 * minute))
    assert (await rows.schedule_row(schedule_id))["held_at"] == after(60)
    await end_all(engine, after(130))
    await fire(engine).tick(after(130))
    assert await ledger(rows) == [(NOW, "fired", True), (after(60), "late", True), (after(120), "skipped", False)]
    row = await rows.schedule_row(schedule_id)
    assert (row["held_at"], row["next_run_at"], row["fired"]) == (None, after(180), 2)
    assert [row["state"] for row in await rows.all_tasks()].count("ready") == 1


async def test_cancel_running_ends_what_has_not_started_and_asks_what_runs(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule(overlap="cancel_running")
    running = await rows.task("running", schedule_id=schedule_id)
    waiting = await rows.task("waiting", schedule_id=schedule_id)
    other = await rows.task("ready")
    await fire(engine).tick(NOW)
    assert (await rows.task_row(running))["state"] == "running"
    assert (await rows.task_row(running))["cancel_requested_at"] == NOW
    ended = await rows.task_row(waiting)
    assert (ended["state"], ended["reason"], ended["remove_at"]) == ("cancelled", "cancelled", after(60))
    assert (await rows.task_row(other))["state"] == "ready"
    assert await ledger(rows) == [(NOW, "fired", True)]


async def test_a_pause_ends_by_itself_and_what_it_missed_stays_missed(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule(next_run_at=None, paused_at=after(-600), paused_until=after(30))
    assert await fire(engine).tick(NOW) == 30.0
    assert await fire(engine).tick(after(30)) == 30.0
    row = await rows.schedule_row(schedule_id)
    assert (row["paused_at"], row["paused_until"], row["next_run_at"]) == (None, None, after(60))
    assert await rows.all_fires() == []


async def test_a_rule_that_cannot_be_read_is_paused_also_when_its_pause_ends(engine: Engine) -> None:
    rows = Rows(engine)
    broken = [
        await rows.schedule(rule=rule(misfire={"policy": "sometimes"})),
        await rows.schedule(rule=rule(exclusions=[{"dates": ["yesterday"]}])),
        await rows.schedule(every=None, rule=rule(specs="hourly")),
        await rows.schedule(next_run_at=None, paused_at=NOW, paused_until=NOW, rule=rule(dst={"gap": "jump"})),
        await rows.schedule(next_run_at=None, paused_at=NOW, paused_until=NOW, rule=rule(ends_at="2030-01-01T00:00")),
    ]
    sound = await rows.schedule()
    await fire(engine).tick(NOW)
    assert [row["schedule_id"] for row in await rows.all_tasks()] == [sound]
    for schedule_id in broken:
        row = await rows.schedule_row(schedule_id)
        assert (row["paused_at"], row["paused_until"], row["next_run_at"]) == (NOW, None, None)


async def test_a_time_that_was_skipped_by_hand_does_not_fire(engine: Engine) -> None:
    rows = Rows(engine)
    schedule_id = await rows.schedule()
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO fires (schedule_id, nominal_at, tenant_id, outcome) VALUES (:id, :at, :tenant, 'skipped')"
            ),
            {"id": schedule_id, "at": NOW, "tenant": UUID(int=1)},
        )
    await fire(engine).tick(NOW)
    assert await rows.all_tasks() == []
    assert (await rows.schedule_row(schedule_id))["next_run_at"] == after(60)


async def test_open_runs_and_held_fires_are_found_by_their_indexes(engine: Engine) -> None:
    rows = Rows(engine)
    await rows.schedule()
    plan = await rows.plan("schedules_freed", now=NOW, size=200)
    assert "schedules_held" in plan or "Seq Scan on schedules" in plan
