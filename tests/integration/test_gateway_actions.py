"""Acting on tasks: each state allows what it allows, and the row decides who wins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving
from tests.support import wait_until

from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.streams.client import open_redis
from tidewheel_common.streams.keys import WAKE_EXECUTOR
from tidewheel_common.streams.wake import Listener


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def _placed(gateway: Gateway, state: str, **columns: Any) -> str:
    task_id: str = (await gateway.submit(removal_delay=60, expires_at="2035-01-01T00:00:00Z"))["id"]
    await gateway.place(task_id, state, **columns)
    return task_id


async def _row(gateway: Gateway, task_id: str) -> dict[str, Any]:
    return (await gateway.rows("SELECT * FROM tasks WHERE id = :id", id=UUID(task_id)))[0]


@pytest.mark.parametrize("state", ["blocked", "waiting", "ready", "queued"])
async def test_what_does_not_run_is_cancelled_at_once(gateway: Gateway, state: str) -> None:
    task_id = await _placed(gateway, state)

    answer = await gateway.http.post(f"/v1/tasks/{task_id}:cancel")

    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "cancelled", "cancelled")
    row = await _row(gateway, task_id)
    assert (row["remove_at"] - row["finished_at"]).total_seconds() == 60
    assert row["finished_at"] == row["cancel_requested_at"]


async def test_what_runs_is_asked_to_stop(gateway: Gateway, redis_url: str) -> None:
    task_id = await _placed(gateway, "running")
    heard = asyncio.Event()
    async with open_redis(redis_url, client_name="test") as redis:
        listener = Listener(redis, {WAKE_EXECUTOR: lambda _: heard.set()})
        await listener.tick()  # whoever begins to listen looks once
        heard.clear()

        first = await gateway.http.post(f"/v1/tasks/{task_id}:cancel")

        async def woken() -> bool:
            await listener.tick()
            return heard.is_set()

        await wait_until(woken, what="the executors to be woken")
        await listener.close()
    second = await gateway.http.post(f"/v1/tasks/{task_id}:cancel")

    assert (first.status_code, first.json()["state"]) == (202, "running")
    assert first.json()["cancel_requested_at"] == second.json()["cancel_requested_at"] is not None
    row = await _row(gateway, task_id)
    assert (row["reason"], row["finished_at"]) == (None, None)
    assert row["lease_until"] is not None
    assert row["queued_at"] is not None


async def test_cancelling_twice_is_fine_and_cancelling_what_ended_otherwise_is_not(gateway: Gateway) -> None:
    cancelled = await _placed(gateway, "cancelled")
    complete = await _placed(gateway, "complete")

    again = await gateway.http.post(f"/v1/tasks/{cancelled}:cancel")
    late = await gateway.http.post(f"/v1/tasks/{complete}:cancel")

    assert again.status_code == 200
    assert (late.status_code, late.json()["code"]) == (409, "already_final")


async def test_a_cancel_that_races_a_claim_has_one_winner(gateway: Gateway) -> None:
    task_id = await _placed(gateway, "queued")
    claim = (
        "UPDATE tasks SET state = 'running', attempt = attempt + 1, lease_until = now() + interval '1 minute'"
        " WHERE id = :id AND state = 'queued'"
    )

    answer, _ = await asyncio.gather(
        gateway.http.post(f"/v1/tasks/{task_id}:cancel"), gateway.execute(claim, id=UUID(task_id))
    )

    state = (await _row(gateway, task_id))["state"]
    assert (answer.status_code, state) in {(200, "cancelled"), (202, "running")}


@pytest.mark.parametrize("state", ["dead", "cancelled", "expired"])
async def test_what_ended_badly_gets_a_fresh_start(gateway: Gateway, state: str) -> None:
    task_id = await _placed(gateway, state, failures=5, lost=2, attempt=7, error=b"x", error_type="E", reason="lost")
    await gateway.execute("UPDATE tasks SET expires_at = now() - interval '1 hour', run_at = now() + interval '1 day'")

    answer = await gateway.http.post(f"/v1/tasks/{task_id}:redrive")

    task = answer.json()
    assert (answer.status_code, task["state"], task["attempt"]) == (200, "ready", 7)
    assert (task["failures"], task["lost"], task["error"], task["error_type"], task["reason"]) == (
        0,
        0,
        None,
        None,
        None,
    )
    assert (task["finished_at"], task["remove_at"], task["expires_at"]) == (None, None, None)
    row = await _row(gateway, task_id)
    assert row["run_at"] == row["ready_at"]


@pytest.mark.parametrize("state", [state for state in State if state not in {"dead", "cancelled", "expired"}])
async def test_nothing_else_is_redriven(gateway: Gateway, state: State) -> None:
    task_id = await _placed(gateway, state)

    answer = await gateway.http.post(f"/v1/tasks/{task_id}:redrive")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_redrivable")
    assert (await _row(gateway, task_id))["state"] == state


@pytest.mark.parametrize("state", list(State))
async def test_only_what_is_final_is_deleted(gateway: Gateway, state: State) -> None:
    task_id = await _placed(gateway, state)

    answer = await gateway.http.delete(f"/v1/tasks/{task_id}")

    if state in FINAL:
        assert (answer.status_code, answer.content) == (204, b"")
        [row] = await gateway.rows("SELECT remove_at <= now() AS due FROM tasks")
        assert row["due"]
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "not_final")


async def test_a_patch_changes_what_it_names_and_nothing_else(gateway: Gateway) -> None:
    task = await gateway.submit(timeout=5, tags=["a"], expires_at="2035-01-01T00:00:00Z", delay=3600)
    changes = {"priority": "high", "max_attempts": 9, "removal_delay": 1, "tags": ["b", "c"], "timeout": None}

    answer = await gateway.http.patch(f"/v1/tasks/{task['id']}", json=changes)

    assert answer.status_code == 200
    assert answer.json() == {**task, **changes}
    assert (await gateway.http.patch(f"/v1/tasks/{task['id']}", json={})).json() == answer.json()


async def test_a_new_time_moves_a_task_between_waiting_and_ready(gateway: Gateway) -> None:
    task_id = (await gateway.submit())["id"]

    async def move(run_at: str) -> str:
        state: str = (await gateway.http.patch(f"/v1/tasks/{task_id}", json={"run_at": run_at})).json()["state"]
        return state

    assert await move("2034-01-01T00:00:00Z") == "waiting"
    assert (await _row(gateway, task_id))["wait_until"] == datetime.fromisoformat("2034-01-01T00:00:00+00:00")
    assert await move("2034-02-01T00:00:00Z") == "waiting"
    assert await move("2024-01-01T00:00:00Z") == "ready"
    assert (await _row(gateway, task_id))["ready_at"] is not None
    assert await move("2024-02-01T00:00:00Z") == "ready"


@pytest.mark.parametrize("state", [state for state in State if state not in {"waiting", "ready"}])
async def test_what_neither_waits_nor_is_ready_is_not_changed(gateway: Gateway, state: State) -> None:
    task_id = await _placed(gateway, state)
    before = await _row(gateway, task_id)

    answer = await gateway.http.patch(f"/v1/tasks/{task_id}", json={"priority": "high"})

    assert (answer.status_code, answer.json()["code"]) == (409, "not_editable")
    assert await _row(gateway, task_id) == before


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"handler": "other"}, "/handler"),
        ({"state": "complete"}, "/state"),
        ({"payload": {}}, "/payload"),
        ({"priority": None}, "/priority"),
        ({"run_at": None}, "/run_at"),
        ({"run_at": "2034-01-01T00:00:00"}, "/run_at"),
        ({"run_at": "2134-01-01T00:00:00Z"}, "/run_at"),
        ({"run_at": "2036-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"timeout": 0}, "/timeout"),
        ({"max_attempts": True}, "/max_attempts"),
        ({"tags": ["\0"]}, "/tags/0"),
        ([], ""),
    ],
    ids=str,
)
async def test_a_wrong_patch_gets_422_and_changes_nothing(gateway: Gateway, patch: Any, pointer: str) -> None:
    task_id = await _placed(gateway, "ready")
    before = await _row(gateway, task_id)

    answer = await gateway.http.patch(f"/v1/tasks/{task_id}", json=patch)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await _row(gateway, task_id) == before
