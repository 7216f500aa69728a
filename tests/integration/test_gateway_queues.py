"""`/v1/queues`: depths, pauses, limits; and what an explanation says of them and of parents."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def _gates(gateway: Gateway, task_id: str) -> dict[str, dict[str, Any]]:
    explanation = (await gateway.http.get(f"/v1/tasks/{task_id}/explain")).json()
    return {gate["gate"]: gate for gate in explanation["gates"]}


async def test_queues_are_listed_with_the_callers_own_tasks(gateway: Gateway) -> None:
    first = await gateway.submit(queue="mail")
    await gateway.execute("UPDATE tasks SET ready_at = ready_at - interval '30 s' WHERE id = :id", id=UUID(first["id"]))
    await gateway.submit(queue="mail")
    await gateway.submit(queue="mail", delay=60)
    neighbour = await gateway.neighbour()
    await neighbour.post("/v1/tasks", json={"handler": "demo.echo", "queue": "theirs"})
    await gateway.http.patch("/v1/queues/limited", json={"rate": 5})

    queues = (await gateway.http.get("/v1/queues")).json()["data"]

    assert [queue["name"] for queue in queues] == ["limited", "mail"]
    mail = queues[1]
    assert (mail["ready"], mail["waiting"], mail["queued"], mail["running"]) == (2, 1, 0, 0)
    assert mail["oldest_seconds"] >= 30
    assert (mail["paused"], mail["rate"], mail["concurrency"]) == (False, None, None)
    assert (queues[0]["rate"], queues[0]["ready"], queues[0]["oldest_seconds"]) == (5, 0, None)


async def test_live_executors_are_listed_with_what_they_serve_and_hold(gateway: Gateway) -> None:
    for name, age in (("here", 1), ("gone", 60)):
        await gateway.execute(
            "INSERT INTO executors (id, hostname, pid, queues, handlers, heartbeat_at)"
            " VALUES (gen_random_uuid(), :name, 7, '{*}', '{demo.echo}', now() - make_interval(secs => :age))",
            name=name,
            age=age,
        )
    task = await gateway.submit()
    await gateway.execute(
        "UPDATE tasks SET state = 'running', ready_at = NULL, queued_at = now(), lease_until = now(),"
        " executor_id = (SELECT id FROM executors WHERE hostname = 'here') WHERE id = :id",
        id=UUID(task["id"]),
    )
    [executor] = (await gateway.http.get("/v1/executors")).json()["data"]
    assert (executor["hostname"], executor["pid"], executor["running"]) == ("here", 7, 1)
    assert (executor["queues"], executor["handlers"]) == (["*"], ["demo.echo"])


async def test_a_ready_task_waits_for_those_before_it_in_its_line(gateway: Gateway) -> None:
    first = await gateway.submit(queue="mail")
    await gateway.submit(queue="mail", priority="low")
    await gateway.submit(queue="mail")
    last = await gateway.submit(queue="mail")
    assert "window" not in await _gates(gateway, first["id"])
    gate = (await _gates(gateway, last["id"]))["window"]
    assert (gate["open"], gate["holder"]) == (False, "dispatcher")
    assert gate["detail"].startswith("2 task(s) of its queue and priority go before it")


async def test_a_queue_is_paused_until_it_is_resumed(gateway: Gateway) -> None:
    task = await gateway.submit(queue="mail")
    paused = (await gateway.http.post("/v1/queues/mail:pause", json={})).json()
    assert (paused["paused"], paused["paused_until"]) == (True, None)
    gate = (await _gates(gateway, task["id"]))["pause"]
    assert (gate["open"], gate["holder"], gate["until"]) == (False, "operator", None)
    resumed = (await gateway.http.post("/v1/queues/mail:resume")).json()
    assert (resumed["paused"], resumed["paused_at"]) == (False, None)
    assert "pause" not in await _gates(gateway, task["id"])


async def test_a_pause_may_have_an_end(gateway: Gateway) -> None:
    task = await gateway.submit(queue="mail")
    now = gateway.parts.clock()
    until = (now + timedelta(hours=1)).isoformat()
    answer = await gateway.http.post("/v1/queues/mail:pause", json={"until": until})
    assert answer.json()["paused"] is True
    assert (await _gates(gateway, task["id"]))["pause"]["until"] == answer.json()["paused_until"]
    await gateway.execute("UPDATE queues SET paused_until = now() - interval '1 s'")
    [queue] = (await gateway.http.get("/v1/queues")).json()["data"]
    assert (queue["paused"], queue["paused_until"]) == (False, None)


async def test_limits_are_set_kept_and_lifted_one_by_one(gateway: Gateway) -> None:
    await gateway.http.patch("/v1/queues/mail", json={"rate": 2.5, "concurrency": 4})
    await gateway.http.post("/v1/queues/mail:pause", json={})
    changed = (await gateway.http.patch("/v1/queues/mail", json={"rate": None})).json()
    assert (changed["rate"], changed["concurrency"], changed["paused"]) == (None, 4, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PATCH", "/v1/queues/mail", {"rate": 0}, "/rate"),
        ("PATCH", "/v1/queues/mail", {"concurrency": 0}, "/concurrency"),
        ("PATCH", "/v1/queues/mail", {"speed": 1}, "/speed"),
        ("POST", "/v1/queues/mail:pause", {"until": "2020-01-01T00:00:00Z"}, "/until"),
        ("POST", "/v1/queues/mail:pause", {"until": "2099-01-01T00:00:00"}, "/until"),
    ],
)
async def test_wrong_settings_are_refused(gateway: Gateway, method: str, path: str, body: Any, pointer: str) -> None:
    answer = await gateway.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await gateway.count("queues") == 0


async def test_a_name_that_no_queue_can_have_leads_nowhere(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/queues/no%20queue:pause", json={})
    assert answer.status_code == 404


async def test_limits_are_gates(gateway: Gateway) -> None:
    task, other = await gateway.submit(queue="mail"), await gateway.submit(queue="mail")
    await gateway.place(other["id"], "queued")
    await gateway.http.patch("/v1/queues/mail", json={"rate": 0.5, "concurrency": 1})
    await gateway.execute("UPDATE queues SET tokens = 0, tokens_at = now()")
    gates = await _gates(gateway, task["id"])
    assert (gates["concurrency"]["open"], gates["concurrency"]["holder"]) == (False, "executor")
    assert gates["concurrency"]["detail"] == "1 of 1 tasks of the queue mail are queued or running."
    assert (gates["rate"]["open"], gates["rate"]["until"] is not None) == (False, True)
    await gateway.http.patch("/v1/queues/mail", json={"concurrency": 2, "rate": None})
    gates = await _gates(gateway, task["id"])
    assert gates["concurrency"]["open"]
    assert "rate" not in gates


async def test_who_has_the_slot_of_a_key_is_named(gateway: Gateway) -> None:
    holder, task = [await gateway.submit(concurrency_key="k") for _ in range(2)]
    assert (await _gates(gateway, task["id"]))["concurrency_key"]["open"]
    await gateway.place(holder["id"], "queued")
    gate = (await _gates(gateway, task["id"]))["concurrency_key"]
    assert (gate["open"], gate["holder"]) == (False, holder["id"])
    assert (await _gates(gateway, holder["id"]))["concurrency_key"]["open"], "it has the slot itself"


async def test_open_parents_are_named(gateway: Gateway) -> None:
    parent, failed = await gateway.submit(), await gateway.submit()
    child = await gateway.submit(depends_on=[parent["id"], failed["id"]], on_parent_failure="block")
    gate = (await _gates(gateway, child["id"]))["parents"]
    assert (gate["open"], gate["holder"]) == (False, "executor")
    assert f"{parent['id']} (ready)" in gate["detail"]
    await gateway.place(failed["id"], "dead")
    gate = (await _gates(gateway, child["id"]))["parents"]
    assert (gate["holder"], f"{failed['id']} (dead)" in gate["detail"]) == ("operator", True)


async def test_another_tenant_may_neither_pause_nor_limit_what_all_share(gateway: Gateway) -> None:
    neighbour = await gateway.neighbour()

    answers = [
        await neighbour.post("/v1/queues/mail:pause", json={}),
        await neighbour.post("/v1/queues/mail:resume"),
        await neighbour.patch("/v1/queues/mail", json={"rate": 1}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "operators_only")] * 3
    assert await gateway.rows("SELECT name FROM queues") == []
