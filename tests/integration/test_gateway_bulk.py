"""Bulk operations and dead letters."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.gateway import Gateway, serving
from tests.support import wait_until

from tidewheel_gateway.bulk import Bulk


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as gateway:
        yield gateway


async def _start(gateway: Gateway, **body: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/v1/operations", json=body)
    assert answer.status_code == 202, answer.text
    operation: dict[str, Any] = answer.json()
    return operation


async def _finished(gateway: Gateway, operation: dict[str, Any]) -> dict[str, Any]:
    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = (await gateway.http.get(f"/v1/operations/{operation['id']}")).json()
        return found if found["finished_at"] is not None else None

    found = await wait_until(over, what="the operation ends")
    assert found is not None
    return found


async def _counts(operation: dict[str, Any]) -> tuple[int, int, int]:
    return operation["counted"], operation["done"], operation["failed"]


async def _submit(gateway: Gateway, count: int, state: str, **fields: Any) -> list[str]:
    ids = [(await gateway.submit(**fields))["id"] for _ in range(count)]
    for task_id in ids:
        await gateway.place(task_id, state, **({"reason": "permanent"} if state == "dead" else {}))
    return ids


async def _states(gateway: Gateway) -> dict[str, int]:
    rows = await gateway.rows("SELECT state, count(*) AS n FROM tasks GROUP BY 1")
    return {row["state"]: row["n"] for row in rows}


async def test_a_dry_run_counts_and_changes_nothing(gateway: Gateway) -> None:
    await _submit(gateway, 3, "ready")
    tried = await _start(gateway, action="cancel", filter={}, dry_run=True)
    assert (tried["counted"], tried["done"], tried["finished_at"] is not None) == (3, 0, True)
    assert await _states(gateway) == {"ready": 3}


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("cancel", "waiting", "cancelled"),
        ("cancel", "running", "running"),
        ("redrive", "dead", "ready"),
        ("reprioritise", "ready", "ready"),
    ],
)
async def test_an_action_changes_what_the_filter_means_and_nothing_else(
    gateway: Gateway, action: str, before: str, after: str
) -> None:
    await _submit(gateway, 3, before, queue="mine")
    other = await gateway.submit(queue="other", delay=60)
    stranger = await gateway.neighbour()
    theirs = (await stranger.post("/v1/tasks", json={"handler": "demo.echo", "queue": "mine"})).json()["id"]
    more = {"priority": "high"} if action == "reprioritise" else {}

    done = await _finished(gateway, await _start(gateway, action=action, filter={"queue": "mine"}, **more))

    assert await _counts(done) == (3, 3, 0)
    rows = {str(row["id"]): row for row in await gateway.rows("SELECT * FROM tasks")}
    assert (rows.pop(other["id"])["state"], rows.pop(theirs)["state"]) == ("waiting", "ready")
    assert {row["state"] for row in rows.values()} == {after}
    if action == "reprioritise":
        assert {row["priority"] for row in rows.values()} == {0}
    if before == "running":
        assert all(row["cancel_requested_at"] is not None for row in rows.values())


async def test_deleted_tasks_are_due_at_once(gateway: Gateway) -> None:
    await _submit(gateway, 2, "complete")
    await _submit(gateway, 1, "ready")
    done = await _finished(gateway, await _start(gateway, action="delete", filter={}))
    assert await _counts(done) == (2, 2, 0)
    assert len(await gateway.rows("SELECT id FROM tasks WHERE remove_at <= now()")) == 2


async def test_a_batch_that_is_cut_off_anywhere_is_made_again_and_counted_once(gateway: Gateway) -> None:
    await _submit(gateway, 5, "dead")
    await gateway.execute(
        "INSERT INTO operations (id, tenant_id, action, filter, dry_run, counted, created_at) "
        "SELECT :id, tenant_id, 'redrive', '{}', false, 5, now() FROM tasks LIMIT 1",
        id=gateway.parts.new_id(),
    )
    for steps in range(30):
        cut = asyncio.create_task(Bulk(gateway.parts.engine, gateway.parts.wakeups, size=1).tick())
        for _ in range(steps):
            await asyncio.sleep(0)
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
    other = Bulk(gateway.parts.engine, gateway.parts.wakeups, size=2)
    while await other.tick() is not None:
        continue
    assert await _states(gateway) == {"ready": 5}
    (row,) = await gateway.rows("SELECT done, failed, finished_at IS NOT NULL AS over FROM operations")
    assert row == {"done": 5, "failed": 0, "over": True}


async def test_one_taken_unique_key_does_not_keep_the_others_from_being_redriven(gateway: Gateway) -> None:
    await _submit(gateway, 1, "dead", unique_key="one")
    await _submit(gateway, 2, "dead")
    await gateway.submit(unique_key="one")
    done = await _finished(gateway, await _start(gateway, action="redrive", filter={"state": ["dead"]}))
    assert await _counts(done) == (3, 2, 1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "explode", "filter": {}}, "/action"),
        ({"action": "cancel"}, "/filter"),
        ({"action": "cancel", "filter": {"qeueu": "x"}}, "/filter/qeueu"),
        ({"action": "reprioritise", "filter": {}}, ""),
        ({"action": "cancel", "filter": {}, "priority": "high"}, ""),
    ],
)
async def test_what_is_wrong_is_named(gateway: Gateway, body: dict[str, Any], pointer: str) -> None:
    answer = await gateway.http.post("/v1/operations", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_dead_letters_are_grouped_by_handler_and_error(gateway: Gateway) -> None:
    tasks = await _submit(gateway, 3, "dead", handler="a.b")
    for task_id, error in zip(tasks, ("KeyError", "KeyError", "OSError"), strict=True):
        await gateway.place(task_id, "dead", error_type=error)
    await _submit(gateway, 1, "expired", handler="a.b")
    stranger = await gateway.neighbour()

    groups = (await gateway.http.get("/v1/dead-letters")).json()["data"]

    found = [(group["handler"], group["error_type"], group["reason"], group["count"]) for group in groups]
    assert found == [("a.b", "KeyError", "permanent", 2), ("a.b", "OSError", "permanent", 1)]
    assert groups[0]["latest_task_id"] == max(tasks[:2])
    assert (await stranger.get("/v1/dead-letters")).json() == {"data": []}

    wanted = {"handler": "a.b", "error_type": "KeyError"}
    done = await _finished(gateway, await _start(gateway, action="redrive", filter=wanted))
    assert await _counts(done) == (2, 2, 0)


async def test_a_task_is_redriven_with_another_payload(gateway: Gateway) -> None:
    (task_id,) = await _submit(gateway, 1, "dead", payload={"user": 1})
    path = f"/v1/tasks/{task_id}:redrive"
    refused = await gateway.http.post(path, json={"payload": [1]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payload")
    redriven = await gateway.http.post(path, json={"payload": {"user": 2}})
    assert (redriven.status_code, redriven.json()["state"], redriven.json()["payload"]) == (200, "ready", {"user": 2})
    await gateway.place(task_id, "dead")
    assert (await gateway.http.post(path)).json()["payload"] == {"user": 2}
