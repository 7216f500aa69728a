"""What the backend promises its users."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from tests.support import wait_until

from reminders.tables import Reminder
from tidewheel_client import AsyncClient, NotFound

SOON = timedelta(seconds=1)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a user looks at the clock on the wall


async def made(http: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/reminders", json={"text": "Tea", **fields})
    assert answer.status_code == 201, answer.text
    reminder: dict[str, Any] = answer.json()
    return reminder


async def until_delivered(http: httpx2.AsyncClient, reminder: dict[str, Any], times: int = 1) -> dict[str, Any]:
    async def delivered() -> dict[str, Any]:
        found: dict[str, Any] = (await http.get(f"/reminders/{reminder['id']}")).json()
        return found if len(found["deliveries"]) >= times else {}

    return await wait_until(delivered, timeout=30, what="the delivery")


async def test_a_reminder_is_delivered_at_its_time_readable_afterwards_and_then_gone(
    http: httpx2.AsyncClient, backend: FastAPI, tidewheel: AsyncClient
) -> None:
    reminder = await made(http, due=(now() + SOON).isoformat())
    assert reminder["delivered_at"] is None

    delivered = await until_delivered(http, reminder)

    assert len(delivered["deliveries"]) == 1
    assert datetime.fromisoformat(delivered["delivered_at"]) >= datetime.fromisoformat(reminder["due"])

    async def gone() -> bool:
        return (await http.get(f"/reminders/{reminder['id']}")).status_code == 404

    await wait_until(gone, timeout=30, what="the end of its time")
    await wait_until(lambda: _task_is_gone(backend, tidewheel, reminder), timeout=30, what="the removal of its task")


async def _task_is_gone(backend: FastAPI, tidewheel: AsyncClient, reminder: dict[str, Any]) -> bool:
    async with backend.state.sessions() as session:
        found = await session.get(Reminder, UUID(reminder["id"]))
    try:
        await tidewheel.tasks.get(found.task_id)
    except NotFound:
        return True
    return False


async def test_what_is_gone_is_swept_away_and_nothing_else(
    http: httpx2.AsyncClient, backend: FastAPI, tidewheel: AsyncClient
) -> None:
    passing = await made(http, due=now().isoformat())
    coming = await made(http, due=(now() + timedelta(hours=1)).isoformat())
    await until_delivered(http, passing)
    [sweep] = [each async for each in tidewheel.schedules.list() if each.name == "reminders sweep"]

    async def swept() -> bool:
        fired = await tidewheel.schedules.trigger(sweep)
        await tidewheel.tasks.handle(fired.task_id).result(timeout=30)
        async with backend.state.sessions() as session:
            return await session.get(Reminder, UUID(passing["id"])) is None

    await wait_until(swept, timeout=30, what="the sweep")
    assert (await http.get(f"/reminders/{coming['id']}")).status_code == 200


async def test_a_recurring_reminder_is_delivered_again_and_again_until_it_is_deleted(
    http: httpx2.AsyncClient, tidewheel: AsyncClient
) -> None:
    reminder = await made(http, every=1)
    assert reminder["recurring"]

    await until_delivered(http, reminder, times=2)
    assert (await http.delete(f"/reminders/{reminder['id']}")).status_code == 204

    assert (await http.get(f"/reminders/{reminder['id']}")).status_code == 404
    names = [each.name async for each in tidewheel.schedules.list()]
    assert f"reminder {reminder['id']}" not in names


async def test_a_reminder_that_is_to_come_is_changed_listed_and_deleted(http: httpx2.AsyncClient) -> None:
    reminder = await made(http, due=(now() + timedelta(hours=1)).isoformat())
    url = f"/reminders/{reminder['id']}"

    changed = await http.patch(url, json={"text": "Coffee", "due": now().isoformat()})

    assert changed.json()["text"] == "Coffee"
    assert reminder["id"] in [each["id"] for each in (await http.get("/reminders")).json()]
    await until_delivered(http, reminder)
    late = await http.patch(url, json={"due": now().isoformat()})
    assert late.status_code in {404, 409}

    other = await made(http, due=(now() + timedelta(hours=1)).isoformat())
    assert (await http.delete(f"/reminders/{other['id']}")).status_code == 204
    assert (await http.get(f"/reminders/{other['id']}")).status_code == 404


@pytest.mark.parametrize("fields", [{}, {"every": 5, "cron": "* * * * *"}, {"due": "2026-01-01T00:00:00"}])
async def test_a_reminder_says_when_in_one_way(http: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    assert (await http.post("/reminders", json={"text": "Tea", **fields})).status_code == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [("every", -5), ("cron", "nonsense"), ("due", "9999-12-01T09:00:00Z"), ("timezone", "Mars/Phobos")],
)
async def test_what_only_tidewheel_can_judge_is_refused_by_its_field(
    http: httpx2.AsyncClient, field: str, value: object
) -> None:
    rule = {"cron": "0 9 * * *"} if field == "timezone" else {}

    text = f"never: {field}"

    answer = await http.post("/reminders", json={"text": text, **rule, field: value})

    assert answer.status_code == 422, answer.text
    assert [fault["loc"] for fault in answer.json()["detail"]] == [["body", field]]
    assert text not in [each["text"] for each in (await http.get("/reminders")).json()]


async def test_a_short_computation_is_answered_and_a_long_one_found_later(http: httpx2.AsyncClient) -> None:
    short = await http.post("/distance?wait=30", json={"left": "kitten", "right": "sitting"})
    long = await http.post("/distance?wait=0", json={"left": "ab" * 1500, "right": "ba" * 1500})

    assert (short.status_code, short.json()["result"]) == (200, 3)
    assert (long.status_code, long.json()["result"]) == (202, None)
    assert (await until_ended(http, long))["result"] == 2


async def until_ended(http: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    async def ended() -> dict[str, Any]:
        found: dict[str, Any] = (await http.get(answer.headers["location"])).json()
        return found if found["state"] in {"dead", "complete"} else {}

    return await wait_until(ended, timeout=60, what="the end of the computation")


async def test_a_leak_ends_at_its_limit_and_the_others_go_on(http: httpx2.AsyncClient) -> None:
    leak = await http.post("/memory-leak")
    assert leak.status_code == 202

    ended = await until_ended(http, leak)

    assert ended["state"] == "dead"
    assert (await http.post("/distance?wait=30", json={"left": "a", "right": "b"})).json()["result"] == 1
