"""Submitting: what is accepted, what is stored of it, and what is answered."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving

from tidewheel_gateway.examples import FULL_TASK


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def test_the_smallest_task_is_accepted_with_its_defaults(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/tasks", json={"handler": "demo.echo"})

    task = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/tasks/{task['id']}"
    assert (task["state"], task["queue"], task["priority"]) == ("ready", "default", "medium")
    assert (task["max_attempts"], task["removal_delay"], task["delivery"]) == (5, 86400, "at_least_once")
    assert task["payload"] == {}
    assert (await gateway.http.get(answer.headers["location"])).json() == task


async def test_the_full_example_of_the_design_is_accepted(gateway: Gateway) -> None:
    task = await gateway.submit(**FULL_TASK)

    assert task["state"] == "waiting"
    assert task["run_at"] == "2026-12-01T08:00:00Z"
    assert task["payload"] == {"user_id": 42}
    assert (await gateway.http.get(f"/v1/tasks/{task['id']}")).json() == task
    [row] = await gateway.rows("SELECT * FROM tasks")
    assert row["wait_until"] == row["run_at"] == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert (row["priority"], row["tags"], row["timeout"]) == (0, ["eu"], 60)
    assert row["backoff"] == '{"initial":2,"factor":2,"max":3600,"jitter":0.1}' or row["backoff"]
    assert b"user_id" not in row["payload"]


async def test_a_delay_counts_from_the_commit(gateway: Gateway) -> None:
    task = await gateway.submit(delay=90.5)

    created, run_at = (datetime.fromisoformat(task[name]) for name in ("created_at", "run_at"))
    assert (run_at - created).total_seconds() == 90.5
    [row] = await gateway.rows("SELECT run_at, wait_until, created_at FROM tasks WHERE id = :id", id=UUID(task["id"]))
    assert (row["run_at"], row["wait_until"], row["created_at"]) == (run_at, run_at, created)
