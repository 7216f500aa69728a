"""Idempotency keys: a repeated request is answered as the first one was, and never done twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.gateway import KEYS, Gateway, serving
from tests.support import text

from tidewheel_gateway.app import Sources

TASK = {"handler": "demo.echo", "payload": {"n": 1}, "delay": 0.123457}


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_the_same_request_gets_the_same_answer(gateway: Gateway) -> None:
    first = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))
    second = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert await gateway.count() == 1


async def test_a_key_in_quotes_is_the_same_key(gateway: Gateway) -> None:
    await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))
    quoted = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed('"a"'))

    assert quoted.headers["idempotency-replayed"] == "true"


async def test_the_answer_is_the_first_one_whatever_became_of_the_task(gateway: Gateway) -> None:
    first = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))
    await gateway.place(first.json()["id"], "complete")
    await gateway.execute("DELETE FROM tasks")

    second = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    assert second.content == first.content
    assert await gateway.count() == 0


async def test_another_body_under_the_same_key_gets_422(gateway: Gateway) -> None:
    await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))
    other = await gateway.http.post("/v1/tasks", json={"handler": "demo.other"}, headers=keyed("a"))
    elsewhere = await gateway.http.post("/v1/tasks:batch", json={"tasks": [TASK]}, headers=keyed("a"))

    assert [answer.status_code for answer in (other, elsewhere)] == [422, 422]
    assert other.json()["code"] == elsewhere.json()["code"] == "idempotency_key_reused"
    assert await gateway.count() == 1


async def test_fifty_at_once_make_one_task(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a")) for _ in range(50)))

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] >= 1
    assert statuses.keys() <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert await gateway.count() == 1


async def test_fifty_at_once_through_two_gateways_make_one_task(
    gateway: Gateway, database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url) as other:
        answers = await asyncio.gather(
            *((gateway, other)[i % 2].http.post("/v1/tasks", json=TASK, headers=keyed("a")) for i in range(50))
        )

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert await gateway.count() == 1


async def test_a_key_that_another_transaction_works_on_gets_409_at_once_and_holds_nobody_up(
    gateway: Gateway,
) -> None:
    tenant = gateway.parts.new_id()
    await gateway.execute("UPDATE api_keys SET tenant_id = :tenant", tenant=tenant)
    async with gateway.engine.begin() as other:
        await other.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:tenant AS text) || ' ' || 'a', 0))"),
            {"tenant": str(tenant)},
        )
        await other.execute(
            text("INSERT INTO idempotency_keys VALUES (:tenant, 'a', '', '{}', now(), now())"), {"tenant": tenant}
        )

        held, free = await asyncio.gather(
            gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a")),
            gateway.http.post("/v1/tasks", json=TASK, headers=keyed("b")),
        )

    assert (held.status_code, held.json()["code"]) == (409, "idempotency_in_flight")
    assert held.headers["retry-after"] == "1"
    assert free.status_code == 201
    assert await gateway.count() == 1


async def test_many_keys_share_a_commit(gateway: Gateway) -> None:
    answers = await gateway.at_once(
        [gateway.http.post("/v1/tasks", json=TASK, headers=keyed(f"k{i}")) for i in range(100)]
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len(await gateway.rows("SELECT DISTINCT xmin::text FROM tasks")) <= 2
    assert await gateway.count("idempotency_keys") == 100


async def test_tenants_do_not_share_keys(gateway: Gateway) -> None:
    async with await gateway.neighbour() as neighbour:
        mine = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))
        theirs = await neighbour.post("/v1/tasks", json={"handler": "other"}, headers=keyed("a"))

    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]


async def test_a_refused_request_leaves_its_key_free(gateway: Gateway) -> None:
    refused = await gateway.http.post("/v1/tasks", json={"handler": ""}, headers=keyed("a"))
    corrected = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    assert (refused.status_code, corrected.status_code) == (422, 201)
    assert "idempotency-replayed" not in corrected.headers


async def test_a_batch_is_repeated_with_its_refusals(gateway: Gateway) -> None:
    batch = {"tasks": [{"handler": "a"}, {"handler": ""}, {"handler": "b"}]}

    first = await gateway.http.post("/v1/tasks:batch", json=batch, headers=keyed("a"))
    second = await gateway.http.post("/v1/tasks:batch", json=batch, headers=keyed("a"))

    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert await gateway.count() == 2


async def test_a_batch_of_refusals_keeps_no_key(gateway: Gateway) -> None:
    first = await gateway.http.post("/v1/tasks:batch", json={"tasks": [{"handler": ""}]}, headers=keyed("a"))

    assert (first.status_code, "error" in first.json()["results"][0]) == (201, True)
    assert await gateway.count("idempotency_keys") == 0


async def test_a_restarted_gateway_with_a_new_key_first_repeats_the_answer(
    gateway: Gateway, database_url: str, redis_url: str
) -> None:
    first = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    async with serving(database_url, redis_url, keys=f"k2:{'B' * 43},{KEYS}") as restarted:
        second = await restarted.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"


async def test_a_repeated_request_whose_times_have_passed_is_still_answered(
    gateway: Gateway, database_url: str, redis_url: str
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()  # noqa: TID251 - the gateway reads this clock too
    expiring = {"handler": "demo.echo", "expires_at": soon}
    batch = {"tasks": [expiring, {"handler": "demo.echo", "expires_at": "2020-01-01T00:00:00Z"}]}
    first = await gateway.http.post("/v1/tasks", json=expiring, headers=keyed("a"))
    first_batch = await gateway.http.post("/v1/tasks:batch", json=batch, headers=keyed("b"))
    later = datetime.now(UTC) + timedelta(hours=2)  # noqa: TID251 - as above

    async with serving(database_url, redis_url, sources=Sources(clock=lambda: later)) as restarted:
        second = await restarted.http.post("/v1/tasks", json=expiring, headers=keyed("a"))
        second_batch = await restarted.http.post("/v1/tasks:batch", json=batch, headers=keyed("b"))
        unkeyed = await restarted.http.post("/v1/tasks", json=expiring)

    assert second.content == first.content
    assert second_batch.content == first_batch.content
    assert unkeyed.status_code == 422
    assert await gateway.count() == 2


async def test_keys_are_kept_for_48_hours(gateway: Gateway) -> None:
    task = await gateway.http.post("/v1/tasks", json=TASK, headers=keyed("a"))

    [row] = await gateway.rows("SELECT expires_at - accepted_at AS kept, task_ids FROM idempotency_keys")
    assert row["kept"] == timedelta(hours=48)
    assert row["task_ids"] == [UUID(task.json()["id"])]
