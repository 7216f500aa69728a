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
    assert (await stranger.get("/v1/dead-letters")).json() == {"data": [], "next_cursor": None}

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


async def _pages(gateway: Gateway, path: str, limit: int) -> list[list[dict[str, Any]]]:
    """Read a list page by page."""
    pages, cursor = [], None
    while True:
        params = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        page = (await gateway.http.get(path, params=params)).json()
        pages.append(page["data"])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


async def test_operations_and_dead_letters_are_listed_page_by_page(gateway: Gateway) -> None:
    for number, handler in enumerate("cab"):
        await _submit(gateway, number + 1, "dead", handler=handler)
    started = [(await _start(gateway, action="cancel", filter={"queue": name}, dry_run=True))["id"] for name in "xyz"]
    stranger = await gateway.neighbour()

    pages = await _pages(gateway, "/v1/operations", 2)
    assert [[each["id"] for each in page] for page in pages] == [started[:0:-1], started[:1]]
    assert pages[0][0] == (await gateway.http.get(f"/v1/operations/{started[2]}")).json()
    groups = await _pages(gateway, "/v1/dead-letters", 2)
    assert [[(each["handler"], each["count"]) for each in page] for page in groups] == [
        [("b", 3), ("a", 2)],
        [("c", 1)],
    ]
    assert (await stranger.get("/v1/operations")).json() == {"data": [], "next_cursor": None}

    cursor = (await gateway.http.get("/v1/operations", params={"limit": 1})).json()["next_cursor"]
    for http, path in ((stranger, "/v1/operations"), (gateway.http, "/v1/dead-letters"), (gateway.http, "/v1/tasks")):
        assert (await http.get(path, params={"cursor": cursor})).json()["code"] == "invalid_cursor"


async def test_an_operation_is_started_once_for_a_key(gateway: Gateway) -> None:
    await _submit(gateway, 1, "ready", queue="mine")
    headers, body = {"Idempotency-Key": "one"}, {"action": "cancel", "filter": {"queue": "mine"}}

    async def post(document: Any) -> Any:
        return await gateway.http.post("/v1/operations", json=document, headers=headers)

    first = await post(body)
    await _finished(gateway, first.json())
    await _submit(gateway, 1, "ready", queue="mine")
    again = await post(body)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.headers["Location"] == first.headers["Location"] == f"/v1/operations/{first.json()['id']}"
    assert (again.json()["id"], again.json()["counted"], again.json()["done"]) == (first.json()["id"], 1, 1)
    assert await _states(gateway) == {"cancelled": 1, "ready": 1}
    other = await post({**body, "action": "delete"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.count("operations") == 1
    assert (await post({"action": "explode"})).status_code == 422


async def test_a_redriven_tasks_payload_has_to_fit_like_a_new_one(gateway: Gateway) -> None:
    parent = await gateway.submit()
    (task_id,) = await _submit(gateway, 1, "dead", depends_on=[parent["id"]])
    (alone,) = await _submit(gateway, 1, "dead")

    async def redrive(task: str, place: int) -> Any:
        answer = await gateway.http.post(f"/v1/tasks/{task}:redrive", json={"payload": {"x": {"$parent": place}}})
        return answer.status_code, [fault["pointer"] for fault in answer.json().get("errors", [])]

    assert await redrive(alone, 0) == (422, ["/payload/x/$parent"])
    assert await redrive(task_id, 1) == (422, ["/payload/x/$parent"])
    assert await redrive(task_id, 0) == (200, [])
    assert await redrive(str(gateway.parts.new_id()), 0) == (404, [])
