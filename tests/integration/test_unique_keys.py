"""Unique keys: while a task with one is not final, submitting it again gives that task."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.family import DEAD, Family, opened_family


@pytest.fixture
async def family(database_url: str, redis_url: str) -> AsyncIterator[Family]:
    async with opened_family(database_url, redis_url) as family:
        yield family


async def test_the_answer_says_whether_the_task_was_made_or_was_there(family: Family) -> None:
    body = {"handler": "demo.echo", "unique_key": "nightly"}
    made = await family.gateway.http.post("/v1/tasks", json=body)
    found = await family.gateway.http.post("/v1/tasks", json=body)
    assert (made.status_code, found.status_code) == (201, 200)
    assert made.json() == found.json()
    assert made.json()["unique_key"] == "nightly"
    assert await family.gateway.count() == 1


async def test_a_final_task_has_its_key_no_more(family: Family) -> None:
    first = await family.submit(unique_key="k")
    await family.run(first)
    second = await family.submit(unique_key="k")
    assert first != second


async def test_of_many_at_once_one_is_made(family: Family) -> None:
    body = {"handler": "demo.echo", "unique_key": "k"}
    answers = await asyncio.gather(*(family.gateway.http.post("/v1/tasks", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_tenants_do_not_share_keys(family: Family) -> None:
    await family.submit(unique_key="k")
    neighbour = await family.gateway.neighbour()
    assert (await neighbour.post("/v1/tasks", json={"handler": "a", "unique_key": "k"})).status_code == 201


async def test_a_batch_says_which_of_its_tasks_were_there(family: Family) -> None:
    there = await family.submit(unique_key="there")
    results = await family.batch(
        [{"unique_key": "there"}, {"unique_key": "new"}, {"unique_key": "new"}, {"depends_on": [{"index": 0}]}]
    )
    assert [result.get("existing", False) for result in results] == [True, False, True, False]
    assert results[0]["id"] == there
    assert results[1]["id"] == results[2]["id"]
    assert await family.state(results[3]["id"]) == "blocked"
    await family.run(there)
    assert await family.state(results[3]["id"]) == "ready"


async def test_a_repeated_batch_that_made_nothing_gives_the_same_answer(family: Family) -> None:
    there = await family.submit(unique_key="there")
    for replayed in (None, "true"):
        answer = await family.gateway.http.post(
            "/v1/tasks:batch",
            json={"tasks": [{"handler": "demo.echo", "unique_key": "there"}]},
            headers={"Idempotency-Key": "k"},
        )
        assert answer.json()["results"][0]["id"] == there
        assert answer.headers.get("idempotency-replayed") == replayed


async def test_a_redrive_gives_way_to_the_task_that_has_the_key_now(family: Family) -> None:
    old = await family.submit(unique_key="k")
    await family.run(old, transition=DEAD)
    await family.submit(unique_key="k")
    answer = await family.gateway.http.post(f"/v1/tasks/{old}:redrive")
    assert (answer.status_code, answer.json()["code"]) == (409, "unique_key_taken")
