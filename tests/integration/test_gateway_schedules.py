"""Recurring schedules: made, read, changed, paused, resumed, deleted; never with a rule that no clock can follow."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving

from tidewheel_gateway.examples import SCHEDULE

EVERY = {"name": "tick", "handler": "demo.echo", "every": 60}


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def _made(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/schedules", json={**EVERY, **fields})
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_schedule_is_kept_with_its_payload_sealed(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/schedules", json=SCHEDULE)

    schedule = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/schedules/{schedule['id']}"
    assert schedule["payload"] == SCHEDULE["payload"]
    assert (await gateway.http.get(answer.headers["location"])).json() == schedule
    [row] = await gateway.rows("SELECT * FROM schedules")
    assert b"user_id" not in row["payload"]
    assert (row["cron"], row["timezone"], row["tags"]) == ("0 9 * * 1-5", "Europe/Berlin", ["eu"])
    assert row["next_run_at"].astimezone().minute == 0


async def test_every_counts_from_the_moment_it_was_made_by_the_databases_clock(gateway: Gateway) -> None:
    schedule = await _made(gateway)

    assert _time(schedule["next_run_at"]) - _time(schedule["created_at"]) == timedelta(seconds=60)
    [row] = await gateway.rows("SELECT starts_at, created_at FROM schedules")
    assert row["starts_at"] == row["created_at"] == _time(schedule["created_at"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"every": None}, "/cron"),
        ({"cron": "* * * * *"}, "/cron"),
        ({"every": 0}, "/every"),
        ({"every": -1}, "/every"),
        ({"every": True}, "/every"),
        ({"every": 1e12}, "/every"),
        ({"every": None, "cron": "* * * * * *"}, "/cron"),
        ({"every": None, "cron": "0 0 31 2 *"}, "/cron"),
        ({"every": None, "cron": "61 * * * *"}, "/cron"),
        ({"every": None, "cron": "* " * 5000}, "/cron"),
        ({"every": None, "cron": ""}, "/cron"),
        ({"timezone": "Mars/Phobos"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"name": ""}, "/name"),
        ({"name": "a\0"}, "/name"),
        ({"name": "a" * 201}, "/name"),
        ({"handler": "a b"}, "/handler"),
        ({"payload": []}, "/payload"),
        ({"payload": {"a": "\0"}}, "/payload/a"),
        ({"payload": {"a": "x" * 262_200}}, "/payload"),
        ({"run_at": "2030-01-01T00:00:00Z"}, "/run_at"),
        ({"next_run_at": "2030-01-01T00:00:00Z"}, "/next_run_at"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_schedule_gets_422_and_is_not_kept(
    gateway: Gateway, fields: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.http.post("/v1/schedules", json={**EVERY, **fields})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await gateway.count("schedules") == 0


async def test_a_name_is_taken_once_in_each_tenant(gateway: Gateway) -> None:
    await _made(gateway)
    other = await _made(gateway, name="other")

    again = await gateway.http.post("/v1/schedules", json=EVERY)
    renamed = await gateway.http.patch(f"/v1/schedules/{other['id']}", json={"name": "tick"})
    async with await gateway.neighbour() as neighbour:
        theirs = await neighbour.post("/v1/schedules", json=EVERY)

    assert [answer.status_code for answer in (again, renamed, theirs)] == [409, 409, 201]
    assert again.json()["code"] == renamed.json()["code"] == "name_taken"


async def test_a_repeated_create_gets_the_same_answer(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "k"}

    first = await gateway.http.post("/v1/schedules", json=EVERY, headers=headers)
    second = await gateway.http.post("/v1/schedules", json=EVERY, headers=headers)
    other = await gateway.http.post("/v1/schedules", json={**EVERY, "every": 5}, headers=headers)

    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.count("schedules") == 1


async def test_a_create_that_fails_leaves_its_key_free(gateway: Gateway) -> None:
    await _made(gateway)

    taken = await gateway.http.post("/v1/schedules", json=EVERY, headers={"Idempotency-Key": "k"})

    assert taken.status_code == 409
    assert await gateway.count("idempotency_keys") == 0


async def test_a_paused_schedule_has_no_next_time_until_it_is_resumed_on_its_own_grid(gateway: Gateway) -> None:
    schedule = await _made(gateway, every=7)
    url = f"/v1/schedules/{schedule['id']}"

    paused = (await gateway.http.post(f"{url}:pause")).json()
    again = (await gateway.http.post(f"{url}:pause")).json()
    changed = (await gateway.http.patch(url, json={"cron": "0 0 * * *"})).json()
    back = (await gateway.http.patch(url, json={"every": 7})).json()
    resumed = (await gateway.http.post(f"{url}:resume")).json()

    assert paused["next_run_at"] is None
    assert paused["paused_at"] is not None
    assert again == paused
    assert (changed["next_run_at"], changed["every"], changed["cron"]) == (None, None, "0 0 * * *")
    assert (back["every"], back["cron"]) == (7, None)
    assert resumed["paused_at"] is None
    since = _time(resumed["next_run_at"]) - _time(back["updated_at"])
    assert since % timedelta(seconds=7) == timedelta()
    assert (await gateway.http.post(f"{url}:resume")).json() == resumed


async def test_a_patch_changes_what_it_names_and_plans_anew_only_with_a_new_rule(gateway: Gateway) -> None:
    schedule = await _made(gateway, timeout=5, backoff={"initial": 1}, tags=["a"])
    changes: dict[str, Any] = {
        "handler": "demo.other",
        "payload": {"new": 1},
        "priority": "low",
        "timeout": None,
        "backoff": None,
        "tags": [],
        "name": "tock",
    }

    changed = (await gateway.http.patch(f"/v1/schedules/{schedule['id']}", json=changes)).json()
    planned = (await gateway.http.patch(f"/v1/schedules/{schedule['id']}", json={"every": 3600})).json()

    assert changed == {**schedule, **changes, **{name: changed[name] for name in ("updated_at", "etag")}}
    assert _time(planned["next_run_at"]) - _time(planned["updated_at"]) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"every": None}, "/cron"),
        ({"every": 5, "cron": "* * * * *"}, "/cron"),
        ({"cron": "nonsense"}, "/cron"),
        ({"timezone": "Nowhere"}, "/timezone"),
        ({"timezone": None}, "/timezone"),
        ({"name": None}, "/name"),
        ({"id": "x"}, "/id"),
        ({"payload": {"a": "\0"}}, "/payload/a"),
    ],
    ids=str,
)
async def test_a_wrong_patch_gets_422_and_changes_nothing(
    gateway: Gateway, patch: dict[str, Any], pointer: str
) -> None:
    schedule = await _made(gateway)

    answer = await gateway.http.patch(f"/v1/schedules/{schedule['id']}", json=patch)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await gateway.http.get(f"/v1/schedules/{schedule['id']}")).json() == schedule


async def test_the_newest_come_first_page_by_page(gateway: Gateway) -> None:
    made = [(await _made(gateway, name=f"s{i}"))["id"] for i in range(5)]

    first = (await gateway.http.get("/v1/schedules?limit=3")).json()
    second = (await gateway.http.get(f"/v1/schedules?limit=3&cursor={first['next_cursor']}")).json()

    assert [each["id"] for each in (*first["data"], *second["data"])] == made[::-1]
    assert second["next_cursor"] is None
    assert "payload" not in first["data"][0]


async def test_a_deleted_schedule_takes_its_ledger_and_leaves_its_tasks(gateway: Gateway) -> None:
    schedule, other = await _made(gateway), await _made(gateway, name="other")
    task = await gateway.submit()
    for each in (schedule, other):
        await gateway.execute(
            "INSERT INTO fires (schedule_id, nominal_at, tenant_id, task_id)"
            " SELECT :s, now(), tenant_id, :t FROM tasks",
            s=UUID(each["id"]),
            t=UUID(task["id"]),
        )

    gone = await gateway.http.delete(f"/v1/schedules/{schedule['id']}")

    assert gone.status_code == 204
    assert (await gateway.http.delete(f"/v1/schedules/{schedule['id']}")).status_code == 404
    assert [str(row["schedule_id"]) for row in await gateway.rows("SELECT schedule_id FROM fires")] == [other["id"]]
    assert await gateway.count() == 1


async def test_a_fired_task_is_read_with_the_payload_of_its_schedule(gateway: Gateway) -> None:
    schedule = await _made(gateway, payload={"of": "schedule"})
    task = await gateway.submit()
    await gateway.execute("UPDATE tasks SET schedule_id = s.id, payload = s.payload FROM schedules s")

    read = (await gateway.http.get(f"/v1/tasks/{task['id']}")).json()

    assert (read["payload"], read["schedule_id"]) == ({"of": "schedule"}, schedule["id"])
