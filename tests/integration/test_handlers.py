"""Handlers publish themselves, and the gateway holds payloads against what they say."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.gateway import Gateway, serving

from tidewheel_common.store.engine import Engine
from tidewheel_executor.heartbeat_queries import publish
from tidewheel_executor.signature import Signature
from tidewheel_scheduler.forget import UNSERVED, Forget

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INTEGER = {
    "type": "object",
    "properties": {"user_id": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
    "required": ["user_id"],
    "additionalProperties": False,
}
TEXT = {**INTEGER, "properties": {"user_id": {"type": "string"}}}


def signature(arguments: Any = INTEGER, name: str = "reports.daily") -> Signature:
    return Signature(name=name, queue="reports", description="Make a report.", arguments=json.dumps(arguments))


async def say(engine: Engine, *signatures: Signature, now: datetime = NOW) -> None:
    async with engine.begin() as connection:
        await publish(connection, signatures, now=now)


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as gateway:
        yield gateway


async def learn(gateway: Gateway, *signatures: Signature, now: datetime = NOW) -> None:
    await say(gateway.engine, *signatures, now=now)
    await gateway.parts.signatures.tick()


async def refusal(gateway: Gateway, payload: dict[str, Any]) -> dict[str, str]:
    answer = await gateway.http.post("/v1/tasks", json={"handler": "reports.daily", "payload": payload})
    assert answer.status_code == 422, answer.text
    return {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}


async def test_a_payload_that_does_not_fit_is_refused_with_pointers(gateway: Gateway) -> None:
    await gateway.submit("reports.daily", payload={"user_id": "nobody has published it yet"})
    await learn(gateway, signature())

    assert await refusal(gateway, {}) == {"/payload/user_id": "missing"}
    assert await refusal(gateway, {"user_id": "42"}) == {"/payload/user_id": "type"}
    assert await refusal(gateway, {"user_id": 1, "a/b": 1}) == {"/payload/a~1b": "extra_forbidden"}
    assert await refusal(gateway, {"user_id": 1, "tags": ["a", "c"]}) == {"/payload/tags/1": "enum"}
    await gateway.submit("reports.daily", payload={"user_id": 42, "tags": ["b"]})
    await gateway.submit("reports.daily", payload={"user_id": 10**40})
    await gateway.submit("reports.weekly", payload={"user_id": "unknown handlers take anything"})
    assert await gateway.count() == 4


async def test_a_refusal_does_not_repeat_what_was_sent(gateway: Gateway) -> None:
    await learn(gateway, signature())

    answer = await gateway.http.post("/v1/tasks", json={"handler": "reports.daily", "payload": {"user_id": "hunter2"}})

    assert answer.json()["errors"][0]["detail"] == 'This value is not of type "integer".'
    assert "hunter2" not in answer.text


async def test_a_refusal_names_what_each_kind_of_value_would_have_needed(gateway: Gateway) -> None:
    numbers = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
    await learn(gateway, signature({"type": "object", "properties": {"x": numbers}}))

    async def said(value: object) -> str:
        body = {"handler": "reports.daily", "payload": {"x": value}}
        return str((await gateway.http.post("/v1/tasks", json=body)).json()["errors"][0]["detail"])

    assert await said("a") == 'This value is not of type "number"; or: This value is not of type "array".'
    assert (await said([1, "b"])).endswith('or: This value is not of type "number" at 1.')


async def test_each_item_of_a_batch_is_held_against_its_handler(gateway: Gateway) -> None:
    await learn(gateway, signature())
    tasks = [{"handler": "reports.daily", "payload": {"user_id": value}} for value in (1, "2", 3)]

    results = (await gateway.http.post("/v1/tasks:batch", json={"tasks": tasks})).json()["results"]

    assert ["id" in result for result in results] == [True, False, True]
    assert results[1]["error"]["errors"][0]["pointer"] == "/tasks/1/payload/user_id"


async def test_a_repeated_request_is_answered_as_it_was_before_the_handler_changed(gateway: Gateway) -> None:
    task = {"handler": "reports.daily", "payload": {"user_id": 42}}
    headers = {"Idempotency-Key": "once"}
    first = await gateway.http.post("/v1/tasks", json=task, headers=headers)
    schedule = {**task, "name": "daily", "every": 60}
    kept = await gateway.http.post("/v1/schedules", json=schedule, headers={"Idempotency-Key": "twice"})

    await learn(gateway, signature(TEXT))

    again = await gateway.http.post("/v1/tasks", json=task, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    again = await gateway.http.post("/v1/schedules", json=schedule, headers={"Idempotency-Key": "twice"})
    assert (again.status_code, again.json()["id"]) == (201, kept.json()["id"])


async def test_a_schedules_payload_is_held_against_its_handler(gateway: Gateway) -> None:
    await learn(gateway, signature())
    schedule = {"name": "daily", "every": 60, "handler": "reports.daily", "payload": {"user_id": 1}}

    refused = await gateway.http.post("/v1/schedules", json={**schedule, "payload": {}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payload/user_id")
    kept = await gateway.http.post("/v1/schedules", json=schedule)
    assert kept.status_code == 201

    place = kept.headers["Location"]
    refused = await gateway.http.patch(place, json={"payload": {"user_id": "1"}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payload/user_id")
    refused = await gateway.http.patch(place, json={"payload": {"user_id": {"$parent": 0}}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payload/user_id/$parent")
    other = await gateway.http.patch(place, json={"payload": {"user_id": "1"}, "handler": "reports.weekly"})
    assert other.status_code == 200

    back = {"handler": "reports.daily"}
    refused = await gateway.http.patch(place, json=back)
    [fault] = refused.json()["errors"]
    assert (refused.status_code, fault["pointer"], "/payload/user_id" in fault["detail"]) == (422, "/handler", True)
    assert (await gateway.http.get(place)).json()["handler"] == "reports.weekly"
    assert (await gateway.http.patch(place, json={"tags": ["eu"]})).status_code == 200
    assert (await gateway.http.patch(place, json={**back, "payload": {"user_id": 1}})).status_code == 200
    assert (await gateway.http.patch(place, json=back)).status_code == 200


async def test_in_a_rolling_deploy_a_payload_may_fit_either_variant(gateway: Gateway) -> None:
    await say(gateway.engine, signature())
    await learn(gateway, signature(TEXT), now=NOW + timedelta(seconds=60))

    await gateway.submit("reports.daily", payload={"user_id": 1})
    await gateway.submit("reports.daily", payload={"user_id": "1"})
    assert await refusal(gateway, {"user_id": 1.5}) == {"/payload/user_id": "type"}

    await learn(gateway, signature(TEXT), now=NOW + timedelta(minutes=5))

    assert await refusal(gateway, {"user_id": 1}) == {"/payload/user_id": "type"}


async def test_a_schema_that_is_none_refuses_nothing(gateway: Gateway) -> None:
    await learn(gateway, signature({"type": "no such type"}), signature({"$ref": "http://127.0.0.1:9/"}, "remote"))

    await gateway.submit("reports.daily", payload={"any": "thing"})
    await gateway.submit("remote", payload={"any": "thing"})


async def test_handlers_are_listed_with_who_serves_them(gateway: Gateway) -> None:
    await say(gateway.engine, signature(), signature(INTEGER, "alpha"))
    await say(gateway.engine, signature(TEXT), now=NOW + timedelta(seconds=60))
    living, silent = uuid4(), uuid4()
    for executor, beat in ((living, "now()"), (silent, "now() - interval '1 hour'")):
        await gateway.execute(
            f"""INSERT INTO executors (id, hostname, pid, queues, handlers, heartbeat_at)
            VALUES (:id, 'host', 1, '{{*}}', '{{reports.daily}}', {beat})""",
            id=executor,
        )

    alpha, daily = (await gateway.http.get("/v1/handlers")).json()["data"]

    assert (alpha["name"], alpha["executors"], alpha["variants"]) == ("alpha", [], [])
    assert daily["arguments"] == TEXT
    assert daily["variants"] == [INTEGER]
    assert daily["executors"] == [str(living)]
    assert (daily["queue"], daily["description"]) == ("reports", "Make a report.")
    assert (daily["first_seen_at"], daily["last_seen_at"]) == ("2026-06-01T12:00:00Z", "2026-06-01T12:01:00Z")


async def test_what_nobody_serves_any_more_is_forgotten(engine: Engine, gateway: Gateway) -> None:
    await say(engine, signature(), signature(INTEGER, "alpha"))
    later = NOW + timedelta(seconds=UNSERVED - 60)
    await say(engine, signature(), now=later)

    await Forget(engine=engine).tick(now=later + timedelta(seconds=120))

    assert await gateway.rows("SELECT name, seen_at FROM handlers") == [{"name": "reports.daily", "seen_at": later}]


async def test_what_stands_for_the_result_of_a_parent_fits_any_argument(gateway: Gateway) -> None:
    await learn(gateway, signature())
    parent = {"handler": "reports.weekly"}
    child = {"handler": "reports.daily", "depends_on": [{"index": 0}]}

    async def results(**payload: Any) -> list[Any]:
        tasks = [parent, {**child, "payload": payload}]
        answer = (await gateway.http.post("/v1/tasks:batch", json={"tasks": tasks})).json()["results"]
        return [fault["pointer"] for fault in answer[1].get("error", {}).get("errors", [])]

    assert await results(user_id={"$parent": 0}, tags={"$parent": "*"}) == []
    assert await results(user_id={"$parent": 0}, tags=["c"]) == ["/tasks/1/payload/tags/0"]
    assert await results(tags={"$parent": "*"}) == ["/tasks/1/payload/user_id"]
    assert await results(user_id=1, tags=[{"$parent": 0}]) == ["/tasks/1/payload/tags/0"]
    assert await refusal(gateway, {"user_id": {"$parent": 0}}) == {"/payload/user_id/$parent": "unknown_parent"}
