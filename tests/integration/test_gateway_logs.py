"""Reading what attempts say while they run."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving

from tidewheel_common.crypto.sealed import Subject


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as gateway:
        yield gateway


async def _tenant(gateway: Gateway) -> UUID:
    tenant: UUID = (await gateway.rows("SELECT id FROM tenants"))[0]["id"]
    return tenant


async def _log(gateway: Gateway, task_id: str, attempt: int, part: int, *messages: str) -> None:
    tenant = await _tenant(gateway)
    lines = [
        {"at": "2026-01-01T00:00:00+00:00", "level": "INFO", "logger": "shop", "message": each} for each in messages
    ]
    subject = Subject.task(UUID(task_id))
    sealed = gateway.parts.sealer.seal(
        json.dumps(lines).encode(), tenant=tenant, subject=subject, field=f"log {attempt} {part}"
    )
    await gateway.execute(
        "INSERT INTO attempt_logs VALUES (:id, :attempt, :part, :tenant, :lines, now())",
        id=UUID(task_id),
        attempt=attempt,
        part=part,
        tenant=tenant,
        lines=sealed,
    )


async def _read(gateway: Gateway, task_id: str, after: str | None = None) -> dict[str, Any]:
    answer = await gateway.http.get(f"/v1/tasks/{task_id}/logs", params={} if after is None else {"after": after})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_a_log_is_followed_from_where_it_was_read_to(gateway: Gateway) -> None:
    task_id = (await gateway.submit())["id"]
    await gateway.place(task_id, "running")
    empty = await _read(gateway, task_id)
    assert (empty["data"], empty["next_cursor"], empty["state"]) == ([], None, "running")

    await _log(gateway, task_id, 1, 1, "one", "two")
    first = await _read(gateway, task_id)
    assert [(line["attempt"], line["message"]) for line in first["data"]] == [(1, "one"), (1, "two")]
    assert (await _read(gateway, task_id, first["next_cursor"]))["next_cursor"] == first["next_cursor"]

    await _log(gateway, task_id, 2, 1, "three")
    await gateway.place(task_id, "complete")
    second = await _read(gateway, task_id, first["next_cursor"])
    assert [(line["attempt"], line["message"]) for line in second["data"]] == [(2, "three")]
    assert second["state"] == "complete"


async def test_lines_of_another_tenant_or_place_do_not_open(gateway: Gateway) -> None:
    task_id = (await gateway.submit())["id"]
    await _log(gateway, task_id, 1, 1, "one")
    await gateway.execute("UPDATE attempt_logs SET part = 2")
    (line,) = (await _read(gateway, task_id))["data"]
    assert (line["level"], "does not open" in line["message"]) == ("ERROR", True)
    stranger = await gateway.neighbour()
    assert (await stranger.get(f"/v1/tasks/{task_id}/logs")).status_code == 404


async def test_a_cursor_that_is_none_is_refused(gateway: Gateway) -> None:
    task_id = (await gateway.submit())["id"]
    answer = await gateway.http.get(f"/v1/tasks/{task_id}/logs", params={"after": "x"})
    assert answer.status_code == 422


async def test_attempts_show_the_one_that_runs_and_how_far_it_is(gateway: Gateway) -> None:
    task_id = (await gateway.submit())["id"]
    await gateway.place(task_id, "running")
    sealed = gateway.parts.sealer.seal(
        b'{"done": 3}', tenant=await _tenant(gateway), subject=Subject.task(UUID(task_id)), field="progress 1"
    )
    await gateway.execute(
        "INSERT INTO attempt_progress SELECT id, 1, tenant_id, 'COUNTING', :meta, now() FROM tasks", meta=sealed
    )
    (attempt,) = (await gateway.http.get(f"/v1/tasks/{task_id}/attempts")).json()["data"]
    assert (attempt["state"], attempt["finished_at"]) == ("running", None)
    assert (attempt["progress"]["state"], attempt["progress"]["meta"]) == ("COUNTING", {"done": 3})
