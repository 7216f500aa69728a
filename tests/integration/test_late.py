"""Tasks that have not begun in time, and whom schedules tell: noted by the scheduler, told by the executors."""

import base64
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from tests.gateway import KEYS, Gateway, serving

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_executor.notices import Notices
from tidewheel_reaper import queries as reaper
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.fire import Fire
from tidewheel_scheduler.lapse import Lapse

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SOON = {"on": ["late"], "late_after": 60, "email": "soon@example.com"}
LATER = {"on": ["late", "dead"], "late_after": 600.5, "email": "later@example.com"}
RULE = {"name": "late", "on": ["late"], "late_after": 120, "handler": "reports.*", "email": "rule@example.com"}


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as gateway:
        yield gateway


async def look(gateway: Gateway, task: dict[str, Any], seconds: float) -> list[str]:
    """Let both sweeps look at a time, counted from the task's creation; return who has been told so far."""
    now = datetime.fromisoformat(task["created_at"]) + timedelta(seconds=seconds)
    await Lapse(engine=gateway.engine, counts=Counts(CollectorRegistry())).tick(now)
    await Notices(engine=gateway.engine, sealer=Sealer(Keyring.parse(KEYS)), new_id=gateway.parts.new_id).tick(now)
    return [each["payload"]["to"].partition("@")[0] for each in await told(gateway)]


async def told(gateway: Gateway) -> list[dict[str, Any]]:
    rows = await gateway.rows("SELECT id FROM tasks WHERE handler LIKE 'notify.%' ORDER BY id")
    return [(await gateway.http.get(f"/v1/tasks/{row['id']}")).json() for row in rows]


async def watched(gateway: Gateway) -> list[UUID]:
    """Return the tasks that the sweep would ever look at."""
    rows = await gateway.rows("SELECT id FROM tasks WHERE late_at IS NOT NULL OR lapsed_at IS NOT NULL ORDER BY id")
    return [row["id"] for row in rows]


async def test_each_is_told_once_at_the_time_that_they_asked_for(gateway: Gateway) -> None:
    task = await gateway.submit(notify=[LATER, SOON])
    await gateway.submit(notify=[{"on": ["dead"], "email": "a@b.c"}])

    assert await watched(gateway) == [UUID(task["id"])]
    assert await look(gateway, task, 59) == []
    assert await look(gateway, task, 61) == ["soon"]
    assert await look(gateway, task, 600) == ["soon"]
    assert await look(gateway, task, 601) == ["soon", "later"]
    assert await look(gateway, task, 90_000) == ["soon", "later"]
    assert await watched(gateway) == []

    about = (await told(gateway))[0]["payload"]["about"]
    assert (about["event"], about["task_id"]) == ("late", task["id"])
    late_at = datetime.fromisoformat(task["created_at"]) + timedelta(seconds=60)
    assert datetime.fromisoformat(about["late_at"]) == late_at


async def test_who_asked_for_two_times_that_have_both_passed_is_told_of_both(gateway: Gateway) -> None:
    task = await gateway.submit(notify=[LATER, SOON])
    assert sorted(await look(gateway, task, 3600)) == ["later", "soon"]
    assert await watched(gateway) == []


@pytest.mark.parametrize("state", ["running", "complete", "dead", "cancelled"])
async def test_a_task_that_has_begun_or_ended_is_not_late(gateway: Gateway, state: str) -> None:
    task = await gateway.submit(notify=[SOON])
    await gateway.place(task["id"], state)

    assert await look(gateway, task, 3600) == []


async def test_a_task_is_late_that_waits_for_its_parents_or_a_paused_queue(gateway: Gateway) -> None:
    parent = await gateway.submit()
    child = await gateway.submit(notify=[SOON], depends_on=[parent["id"]])
    queued = await gateway.submit(notify=[LATER])
    await gateway.place(queued["id"], "queued")

    assert sorted(await look(gateway, child, 1000)) == ["later", "soon"]


async def test_a_delayed_task_is_late_from_its_run_at_on_wherever_that_is_moved(gateway: Gateway) -> None:
    task = await gateway.submit(delay=1000, notify=[SOON])
    assert await look(gateway, task, 1059) == []
    run_at = datetime.fromisoformat(task["created_at"]) + timedelta(seconds=3000)
    edited = await gateway.http.patch(f"/v1/tasks/{task['id']}", json={"run_at": run_at.isoformat()})
    assert edited.status_code == 200
    assert await look(gateway, task, 3059) == []
    assert await look(gateway, task, 3061) == ["soon"]


async def test_a_task_that_was_tried_since_is_still_told_of(gateway: Gateway) -> None:
    task = await gateway.submit(notify=[SOON, LATER])
    created = datetime.fromisoformat(task["created_at"])
    await Lapse(engine=gateway.engine, counts=Counts(CollectorRegistry())).tick(created + timedelta(seconds=70))
    await gateway.place(task["id"], "waiting", attempt=1, started_at=created + timedelta(seconds=71))
    await gateway.execute("UPDATE tasks SET run_at = run_at + interval '1 hour' WHERE attempt = 1")

    assert await look(gateway, task, 80) == ["soon"]
    assert await look(gateway, task, 7200) == ["soon"]


async def test_a_redriven_task_is_not_watched(gateway: Gateway) -> None:
    task = await gateway.submit(notify=[SOON])
    await gateway.place(task["id"], "dead", reason="permanent")
    assert (await gateway.http.post(f"/v1/tasks/{task['id']}:redrive")).status_code == 200

    assert await look(gateway, task, 3600) == []


async def test_a_rule_tells_of_the_late_tasks_that_it_covers(gateway: Gateway) -> None:
    for rule in (RULE, {**RULE, "name": "schedules", "late_after": None, "email": "schedules@example.com"}):
        assert (await gateway.http.post("/v1/notification-rules", json=rule)).status_code == 201
    covered = await gateway.submit("reports.daily", notify=[SOON])
    await gateway.submit("mails.send")

    assert await watched(gateway) == [UUID(covered["id"])]
    assert await look(gateway, covered, 61) == ["soon"]
    assert await look(gateway, covered, 121) == ["soon", "rule"]
    assert await watched(gateway) == []


async def test_a_rule_says_how_late_it_is_and_needs_the_word(gateway: Gateway) -> None:
    made = (await gateway.http.post("/v1/notification-rules", json=RULE)).json()
    assert made["late_after"] == 120
    refused = await gateway.http.put(f"/v1/notification-rules/{made['id']}", json={**RULE, "on": ["dead"]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "late_after")


async def test_a_task_stays_until_it_was_told_that_it_was_late(gateway: Gateway) -> None:
    task = await gateway.submit(notify=[SOON], removal_delay=0)
    now = datetime.fromisoformat(task["created_at"]) + timedelta(seconds=61)
    await Lapse(engine=gateway.engine, counts=Counts(CollectorRegistry())).tick(now)
    await gateway.place(task["id"], "cancelled")
    await gateway.execute("UPDATE tasks SET owes = false, remove_at = now() - interval '1 hour'")

    async with gateway.engine.begin() as connection:
        assert await reaper.tasks_remove(connection, most=10) == 0
    assert await look(gateway, task, 62) == ["soon"]


async def test_what_callers_see_of_who_is_told_opens_no_door(gateway: Gateway) -> None:
    hook = {"on": ["dead"], "webhook": "https://x.example:8443/s3cret?token=s3cret", "secrets": [SECRET]}
    slack = {"on": ["complete"], "slack": "https://hooks.slack.example/T/s3cret"}
    shown = [
        {"on": ["late"], "late_after": 60.0, "kind": "email", "email": "soon@example.com", "host": None},
        {"on": ["dead"], "late_after": None, "kind": "webhook", "email": None, "host": "x.example:8443"},
        {"on": ["complete"], "late_after": None, "kind": "slack", "email": None, "host": "hooks.slack.example"},
    ]
    task = await gateway.submit(notify=[SOON, hook, slack])
    kept = await gateway.http.get(f"/v1/tasks/{task['id']}")
    schedule = {"name": "n", "handler": "a.b", "every": 60, "notify": [SOON, hook, slack]}
    made = await gateway.http.post("/v1/schedules", json=schedule)

    assert task["notify"] == kept.json()["notify"] == made.json()["notify"] == shown
    rows = [*await gateway.rows("SELECT * FROM tasks"), *await gateway.rows("SELECT * FROM schedules")]
    assert not any(secret in f"{kept.text} {made.text} {rows}" for secret in ("s3cret", SECRET))


async def keep(gateway: Gateway, notify: list[Any]) -> dict[str, Any]:
    fields = {"name": "s", "handler": "a.b", "every": 60, "misfire": {"policy": "latest"}, "notify": notify}
    answer = await gateway.http.post("/v1/schedules", json=fields)
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


async def fire(gateway: Gateway) -> dict[str, Any]:
    """Fire the schedule late, with two times missed; return its task."""
    await gateway.execute(
        "UPDATE schedules SET starts_at = now() - interval '150 seconds', next_run_at = now() - interval '150 seconds'"
    )
    await Fire(engine=gateway.engine, wake_dispatcher=lambda: None, counts=Counts(CollectorRegistry())).tick()
    [row] = await gateway.rows("SELECT id FROM tasks WHERE handler = 'a.b'")
    task: dict[str, Any] = (await gateway.http.get(f"/v1/tasks/{row['id']}")).json()
    return task


async def test_a_schedule_tells_of_its_times_and_gives_its_tasks_who_is_told(gateway: Gateway) -> None:
    times = {"on": ["missed", "late"], "email": "times@example.com"}
    ends = {"on": ["complete"], "email": "ends@example.com"}
    await keep(gateway, [times, ends, SOON])
    task = await fire(gateway)
    assert [each["email"].partition("@")[0] for each in task["notify"]] == ["times", "ends", "soon"]
    assert sorted(await look(gateway, task, 59)) == ["soon", "times", "times", "times"]
    assert sorted(await look(gateway, task, 61)) == ["soon", "soon", "times", "times", "times"]
    await gateway.place(task["id"], "complete")
    assert sorted(await look(gateway, task, 62)) == ["ends", "soon", "soon", "times", "times", "times"]
    events = {(each["payload"]["to"], each["payload"]["about"]["event"]) for each in await told(gateway)}
    assert ("soon@example.com", "late") in events
    assert {event for who, event in events if who == "times@example.com"} == {"late", "missed"}


async def test_who_a_schedule_tells_can_be_changed_and_left_out(gateway: Gateway) -> None:
    schedule = await keep(gateway, [SOON])
    place = f"/v1/schedules/{schedule['id']}"
    renamed = await gateway.http.patch(place, json={"name": "t"})
    assert renamed.json()["notify"] == schedule["notify"]
    other = await gateway.http.patch(place, json={"notify": [{"on": ["missed"], "email": "a@b.c"}]})
    assert [each["email"] for each in other.json()["notify"]] == ["a@b.c"]
    assert await gateway.rows("SELECT late_after FROM schedules") == [{"late_after": None}]
    assert (await gateway.http.patch(place, json={"notify": []})).json()["notify"] == []
    triggered = (await gateway.http.post(f"{place}:trigger")).json()
    assert (await gateway.http.get(f"/v1/tasks/{triggered['task_id']}")).json()["notify"] == []


async def test_a_triggered_and_a_backfilled_task_carry_who_is_told(gateway: Gateway) -> None:
    schedule = await keep(gateway, [SOON])
    triggered = (await gateway.http.post(f"/v1/schedules/{schedule['id']}:trigger")).json()
    task = (await gateway.http.get(f"/v1/tasks/{triggered['task_id']}")).json()
    assert task["notify"] == schedule["notify"]
    assert await look(gateway, task, 61) == ["soon"]
