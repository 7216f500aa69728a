"""Tasks that wait for other tasks: when they are released, what a parent's failure does, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.family import DEAD, Family, opened_family

from tidewheel_common.store.engine import Engine
from tidewheel_reaper import queries as reaper
from tidewheel_scheduler import queries as scheduler


@pytest.fixture
async def family(database_url: str, redis_url: str) -> AsyncIterator[Family]:
    async with opened_family(database_url, redis_url) as family:
        yield family


async def test_a_task_is_blocked_until_all_of_its_parents_are_complete(family: Family) -> None:
    one, other = await family.submit(), await family.submit()
    child = await family.submit(one, other, one)

    task = (await family.gateway.http.get(f"/v1/tasks/{child}")).json()
    assert (task["state"], task["pending_parents"], task["on_parent_failure"]) == ("blocked", 2, "cancel")
    await family.run(one)
    assert await family.state(child) == "blocked"
    await family.run(other)
    assert await family.state(child) == "ready"
    rows = await family.gateway.rows("SELECT outcome FROM dependencies")
    assert [row["outcome"] for row in rows] == ["complete", "complete"]


async def test_a_retry_of_a_parent_releases_nobody(family: Family) -> None:
    parent = await family.submit()
    child = await family.submit(parent)
    again = DEAD.__class__(state=DEAD.state.WAITING, attempt_state="failed", failures=1, lost=0, wait=5.0)
    await family.run(parent, transition=again)
    await family.sweep()
    assert await family.state(child) == "blocked"


async def test_parents_that_are_complete_at_the_submit_count_at_once(family: Family) -> None:
    done, open_ = await family.submit(), await family.submit()
    await family.run(done)
    assert await family.state(await family.submit(done)) == "ready"
    child = await family.submit(done, open_)
    assert await family.state(child) == "blocked"
    await family.run(open_)
    assert await family.state(child) == "ready"


async def test_a_child_for_later_waits_when_it_is_released(family: Family) -> None:
    parent = await family.submit()
    child = await family.submit(parent, delay=3600)
    await family.run(parent)
    assert await family.state(child) == "waiting"


async def _fails(family: Family, parent: str, how: str) -> None:
    if how == "dead":
        await family.run(parent, transition=DEAD)
    elif how == "cancelled":
        assert (await family.gateway.http.post(f"/v1/tasks/{parent}:cancel")).status_code == 200
    else:
        await family.gateway.execute("UPDATE tasks SET expires_at = now() WHERE id = :id", id=UUID(parent))
        async with family.release.engine.begin() as connection:
            assert await scheduler.tasks_expire(connection, now=None, size=10) == [UUID(parent)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["dead", "cancelled", "expired"])
@pytest.mark.parametrize(("policy", "state"), [("cancel", "cancelled"), ("run", "ready"), ("block", "blocked")])
async def test_a_parents_failure_does_what_the_child_says(
    family: Family, how: str, policy: str, state: str, when: str
) -> None:
    parent = await family.submit()
    if when == "before":
        await _fails(family, parent, how)
    child = await family.submit(parent, on_parent_failure=policy)
    if when == "after":
        await _fails(family, parent, how)
        if how == "dead":
            assert await family.state(child) == state, "an executor tells it in its own transaction"
    await family.sweep()
    assert await family.state(child) == state
    if state == "cancelled":
        [row] = await family.gateway.rows("SELECT reason, remove_at FROM tasks WHERE id = :id", id=UUID(child))
        assert row["reason"] == "parent_failed"
        assert row["remove_at"] is not None


async def test_who_stays_blocked_is_released_when_the_parent_is_redriven_and_completes(family: Family) -> None:
    parent = await family.submit()
    child = await family.submit(parent, on_parent_failure="block")
    await family.run(parent, transition=DEAD)
    await family.sweep()
    assert (await family.gateway.http.post(f"/v1/tasks/{parent}:redrive")).status_code == 200
    await family.run(parent)
    assert await family.state(child) == "ready"


async def test_who_ran_all_the_same_is_not_counted_twice_when_the_parent_is_redriven(family: Family) -> None:
    parent, other = await family.submit(), await family.submit()
    child = await family.submit(parent, other, on_parent_failure="run")
    await family.run(parent, transition=DEAD)
    await family.gateway.http.post(f"/v1/tasks/{parent}:redrive")
    await family.run(parent)
    await family.sweep()
    assert await family.state(child) == "blocked"
    await family.run(other)
    assert await family.state(child) == "ready"


async def test_a_cancel_goes_down_the_generations(family: Family) -> None:
    items = [{}, *({"depends_on": [{"index": place}]} for place in range(20))]
    first, *_ = await family.batch(items)
    await family.gateway.http.post(f"/v1/tasks/{first['id']}:cancel")
    await family.sweep()
    assert await family.states() == {"cancelled": 21}


async def test_a_chain_of_a_thousand_runs_to_its_end(family: Family) -> None:
    # Backwards, so that every item points to a later one.
    items = [{"depends_on": [{"index": place + 1}]} for place in range(999)]
    results = await family.batch([*items, {}])
    ids = [result["id"] for result in results]
    assert ids == sorted(ids, reverse=True), "ids grow from parents to dependants"
    assert await family.states() == {"blocked": 999, "ready": 1}
    await family.drain()
    assert await family.states() == {"complete": 1000}


async def test_a_diamond_of_a_thousand_runs_to_its_end(family: Family) -> None:
    middle = [{"depends_on": [{"index": 0}]} for _ in range(998)]
    last = {"depends_on": [{"index": place} for place in range(1, 999)]}
    await family.batch([{}, *middle, last])
    await family.drain(size=50, executors=6)
    assert await family.states() == {"complete": 1000}


async def test_ten_thousand_parents_that_end_side_by_side_release_their_child_once(family: Family) -> None:
    parents = [result["id"] for _ in range(10) for result in await family.batch({} for _ in range(1000))]
    child = await family.submit(*parents)
    async with asyncio.timeout(60):
        await family.drain(size=100, executors=6)
    assert await family.state(child) == "complete"
    assert await family.states() == {"complete": 10_001}


async def test_many_parents_of_the_same_many_children_end_side_by_side_without_a_deadlock(family: Family) -> None:
    parents: list[dict[str, Any]] = [{} for _ in range(60)]
    children = [{"depends_on": [{"index": place} for place in range(60)]} for _ in range(60)]
    await family.batch([*parents, *children])
    async with asyncio.timeout(60):
        await family.drain(size=1, executors=8)
    assert await family.states() == {"complete": 120}


async def test_a_parent_that_ends_while_its_child_is_submitted_is_not_missed(family: Family) -> None:
    for _ in range(40):
        parents = [await family.submit() for _ in range(3)]
        submitting = asyncio.create_task(family.submit(*parents))
        await asyncio.gather(*(family.run(parent) for parent in parents))
        assert await family.state(await submitting) == "ready"
    assert await family.gateway.rows("SELECT 1 FROM tasks WHERE state = 'blocked'") == []


async def test_an_end_that_no_executor_told_of_is_found_by_the_scheduler(family: Family) -> None:
    parent = await family.submit()
    child = await family.submit(parent)
    # As when a lost executor's task is given up: the plain statement, without the dependants.
    await family.gateway.place(parent, "dead")
    assert await family.state(child) == "blocked"
    await family.sweep()
    assert await family.state(child) == "cancelled"
    assert (
        await family.gateway.rows(
            "SELECT 1 FROM tasks WHERE awaited AND remove_at IS NOT NULL AND id = :id", id=UUID(parent)
        )
        == []
    )


async def test_a_failed_parent_stays_while_somebody_is_blocked_by_it(family: Family, engine: Engine) -> None:
    parent = await family.submit(removal_delay=0)
    child = await family.submit(parent, on_parent_failure="block", removal_delay=0)
    await family.run(parent, transition=DEAD)

    async def reap() -> int:
        async with engine.begin() as connection:
            return await reaper.tasks_remove(connection, most=10)

    assert await reap() == 0
    assert await family.state(parent) == "dead"
    await family.gateway.http.post(f"/v1/tasks/{child}:cancel")
    await family.gateway.execute("UPDATE tasks SET remove_at = now() - interval '1 s' WHERE remove_at IS NOT NULL")
    await family.sweep()
    assert await reap() == 2
    assert await family.gateway.rows("SELECT * FROM dependencies") == []


def _codes(results: list[dict[str, Any]]) -> list[tuple[str, str] | None]:
    errors = [result["error"]["errors"][0] if "error" in result else None for result in results]
    return [None if error is None else (error["code"], error["pointer"]) for error in errors]


async def test_in_a_batch_cycles_and_unknown_parents_are_refused_with_whoever_depends_on_them(family: Family) -> None:
    theirs = (await (await family.gateway.neighbour()).post("/v1/tasks", json={"handler": "demo.echo"})).json()["id"]
    results = await family.batch(
        [
            {},
            {"depends_on": [{"index": 3}]},
            {"depends_on": [{"index": 2}]},
            {"depends_on": [{"index": 0}, {"index": 1}]},
            {"depends_on": [{"index": 3}]},
            {"depends_on": [{"index": 0}]},
            {"depends_on": [str(uuid4())]},
            {"depends_on": [{"index": 0}, {"index": 6}]},
            {"depends_on": [{"index": 99}]},
            {"depends_on": [theirs]},
        ]
    )
    assert _codes(results) == [
        None,
        ("cycle", "/tasks/1/depends_on"),
        ("cycle", "/tasks/2/depends_on"),
        ("cycle", "/tasks/3/depends_on"),
        ("cycle", "/tasks/4/depends_on"),
        None,
        ("unknown_parent", "/tasks/6/depends_on/0"),
        ("parent_refused", "/tasks/7/depends_on/1"),
        ("unknown_index", "/tasks/8/depends_on/0"),
        ("unknown_parent", "/tasks/9/depends_on/0"),
    ]
    assert results[1]["error"]["errors"][0]["detail"] == "These items wait for each other: 1 -> 3 -> 1."
    assert results[2]["error"]["errors"][0]["detail"] == "These items wait for each other: 2 -> 2."
    assert await family.states() == {"ready": 2, "blocked": 1}


async def test_another_tenants_parent_is_an_unknown_one(family: Family) -> None:
    mine = await family.submit()
    neighbour = await family.gateway.neighbour()
    answer = await neighbour.post("/v1/tasks", json={"handler": "demo.echo", "depends_on": [mine]})
    assert answer.status_code == 422
    assert [(each["code"], each["pointer"]) for each in answer.json()["errors"]] == [
        ("unknown_parent", "/depends_on/0")
    ]


async def test_a_repeated_submit_of_a_child_gives_the_same_child(family: Family) -> None:
    parent = await family.submit()
    body = {"handler": "demo.echo", "depends_on": [parent]}
    first, again = [
        await family.gateway.http.post("/v1/tasks", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert await family.gateway.count("dependencies") == 1
    assert await family.gateway.count() == 2
