"""Submitting: what is accepted, what is stored of it, and what is answered."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from tests.gateway import Gateway, serving
from tests.support import wait_until

from tidewheel_common.core.submission import FULL_TASK
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_SCHEDULER


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

    assert task["run_at"] == "2026-12-01T08:00:00Z"
    assert task["payload"] == {"user_id": 42}
    assert (await gateway.http.get(f"/v1/tasks/{task['id']}")).json() == task
    [row] = await gateway.rows("SELECT priority, tags, timeout, backoff, run_at FROM tasks")
    assert row == {
        "priority": 0,
        "tags": ["eu"],
        "timeout": 60,
        "backoff": FULL_TASK["backoff"],
        "run_at": datetime(2026, 12, 1, 8, tzinfo=UTC),
    }


async def test_a_task_for_later_waits(gateway: Gateway) -> None:
    later = (await gateway.rows("SELECT now() + interval '9 years' AS later"))[0]["later"]

    task = await gateway.submit(run_at=later.isoformat())

    assert task["state"] == "waiting"
    [row] = await gateway.rows("SELECT state, run_at, wait_until, ready_at FROM tasks")
    assert row == {"state": "waiting", "run_at": later, "wait_until": later, "ready_at": None}


async def test_a_delay_counts_from_the_commit(gateway: Gateway) -> None:
    task = await gateway.submit(delay=90.5)

    created, run_at = (datetime.fromisoformat(task[name]) for name in ("created_at", "run_at"))
    assert (run_at - created).total_seconds() == 90.5
    [row] = await gateway.rows("SELECT run_at, wait_until, created_at FROM tasks WHERE id = :id", id=UUID(task["id"]))
    assert (row["run_at"], row["wait_until"], row["created_at"]) == (run_at, run_at, created)


async def test_a_time_in_the_past_means_now_and_does_not_jump_the_line(gateway: Gateway) -> None:
    task = await gateway.submit(run_at="2024-01-01T00:00:00Z")

    assert task["state"] == "ready"
    [row] = await gateway.rows("SELECT ready_at, created_at FROM tasks")
    assert row["ready_at"] == row["created_at"]


async def test_every_value_comes_back_as_it_was_given(gateway: Gateway) -> None:
    payload = {
        "text": "'; DROP TABLE tasks; -- {{7*7}} ${x} \\u0000 ✓ 𝄞",
        "big": 2**200,
        "float": 0.1,
        "small": 5e-324,
        "nested": [{"": [None, True, []]}],
    }
    tags = ["a,b", 'quo"te', "{curly}", "back\\slash", "NULL", "✓"]

    task = await gateway.submit("a.b:c-d_E", payload=payload, tags=tags)

    stored = (await gateway.http.get(f"/v1/tasks/{task['id']}")).json()
    assert stored == task
    assert (stored["payload"], stored["tags"]) == (payload, tags)


async def test_in_a_batch_each_has_what_it_was_given_whether_others_have_the_same_or_not(gateway: Gateway) -> None:
    alike: dict[str, Any] = {"handler": "demo.echo", "timeout": 7, "tags": ["eu"], "removal_delay": 60}
    apart = [
        {**alike, "queue": queue, "priority": priority, "max_attempts": most}
        for queue, priority, most in (("a", "high", 1), ("b", "low", 2), ("a", "low", 1))
    ]
    for items in (apart, [alike] * 3, [alike, {**alike, "timeout": None, "tags": []}]):
        answer = (await gateway.http.post("/v1/tasks:batch", json={"tasks": items})).json()
        stored = [(await gateway.http.get(f"/v1/tasks/{result['id']}")).json() for result in answer["results"]]
        assert [{name: task[name] for name in alike.keys() | apart[0].keys() if name in item}
                for task, item in zip(stored, items, strict=True)] == items  # fmt: skip


async def test_in_a_batch_each_item_stands_alone(gateway: Gateway) -> None:
    items = [
        {"handler": "demo.echo", "payload": {"n": 0}},
        {"handler": "demo.echo", "run_at": "2026-12-01T09:00:00"},
        "no object",
        {"handler": "demo.echo", "payload": {"n": "\0"}},
        {"handler": "demo.echo", "priority": "low", "delay": 5},
        {"handler": "demo.echo", "run_at": "2100-01-01T00:00:00Z"},
    ]

    answer = await gateway.http.post("/v1/tasks:batch", json={"tasks": items})

    results = answer.json()["results"]
    assert answer.status_code == 201
    assert ["id" in result for result in results] == [True, False, False, False, True, False]
    pointers = [result["error"]["errors"][0]["pointer"] for result in results if "error" in result]
    assert pointers == ["/tasks/1/run_at", "/tasks/2", "/tasks/3/payload/n", "/tasks/5/run_at"]
    assert {str(row["id"]) for row in await gateway.rows("SELECT id FROM tasks")} == {
        result["id"] for result in results if "id" in result
    }


async def test_a_thousand_tasks_are_one_commit(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v1/tasks:batch", json={"tasks": [{"handler": "demo.echo"}] * 1000})

    assert len({result["id"] for result in answer.json()["results"]}) == 1000
    assert len(await gateway.rows("SELECT DISTINCT xmin::text FROM tasks")) == 1


async def test_concurrent_single_submits_share_commits_and_are_answered_after_them(gateway: Gateway) -> None:
    async def submit_and_look() -> bool:
        task = await gateway.submit()
        return bool(await gateway.rows("SELECT 1 FROM tasks WHERE id = :id", id=UUID(task["id"])))

    seen = await gateway.at_once([submit_and_look() for _ in range(200)])

    assert all(seen)
    commits = await gateway.rows("SELECT DISTINCT xmin::text FROM tasks")
    assert len(commits) <= 2


async def test_a_row_that_the_database_refuses_does_not_fail_its_neighbours(gateway: Gateway) -> None:
    await gateway.execute("ALTER TABLE tasks ADD CONSTRAINT no_evil CHECK (handler <> 'evil')")

    answers = await asyncio.gather(
        *(gateway.http.post("/v1/tasks", json={"handler": handler}) for handler in ["good", "evil", "good", "good"])
    )

    assert [answer.status_code for answer in answers] == [201, 500, 201, 201]
    assert await gateway.count() == 3
    assert "evil" not in answers[1].text


async def test_the_dispatcher_is_woken_for_what_is_ready_and_the_scheduler_for_what_is_due_soon(
    gateway: Gateway, redis_url: str
) -> None:
    heard: list[str] = []
    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(WAKE_DISPATCHER, WAKE_SCHEDULER)

        async def hear(expected: int) -> bool:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.1)
            if message is not None:
                heard.append(message["channel"].decode())
            return len(heard) >= expected

        await wait_until(lambda: redis.publish(WAKE_SCHEDULER, ""), what="the subscription")
        await wait_until(lambda: hear(1), what="our own message")
        heard.clear()

        await gateway.submit(delay=3600)
        await gateway.submit(delay=1.5)
        await wait_until(lambda: hear(1), what="the scheduler's wake-up")
        await gateway.submit()
        await wait_until(lambda: hear(2), what="the dispatcher's wake-up")

    assert heard == [WAKE_SCHEDULER, WAKE_DISPATCHER]


async def test_a_request_id_comes_back_and_a_strange_one_is_replaced(gateway: Gateway) -> None:
    given = await gateway.http.get("/v1/tasks", headers={"X-Request-Id": "abc-123"})
    strange = await gateway.http.get("/v1/tasks", headers={"X-Request-Id": "a b;"})
    none = await gateway.http.get("/v1/tasks")

    assert given.headers["x-request-id"] == "abc-123"
    assert UUID(strange.headers["x-request-id"]) != UUID(none.headers["x-request-id"])


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("header", "stored"),
    [(TRACEPARENT, TRACEPARENT), ("00-zz-zz-00", None), (None, None)],
    ids=["valid", "nonsense", "none"],
)
async def test_the_trace_of_the_caller_is_stored(gateway: Gateway, header: str | None, stored: str | None) -> None:
    headers = {} if header is None else {"traceparent": header}

    await gateway.http.post("/v1/tasks", json={"handler": "demo.echo"}, headers=headers)

    assert await gateway.rows("SELECT traceparent FROM tasks") == [{"traceparent": stored}]


async def test_no_plaintext_payload_reaches_the_database(gateway: Gateway) -> None:
    await gateway.submit(payload={"secret": "canary-5821"})

    [row] = await gateway.rows("SELECT tasks::text AS everything, payload FROM tasks")
    assert b"canary-5821" not in row["payload"]
    assert b"canary-5821".hex() not in row["everything"]


async def test_what_was_counted_is_told(gateway: Gateway) -> None:
    await gateway.submit()

    text = (await gateway.stranger().get("/metrics")).text

    assert 'tidewheel_http_requests_total{method="POST",route="/v1/tasks",status="201"} 1.0' in text
    assert "tidewheel_tasks_accepted_total 1.0" in text
    assert "tidewheel_accept_flight_tasks_count 1.0" in text


async def test_with_spans_on_the_stored_trace_is_the_span_that_accepted_it(
    database_url: str, redis_url: str, repository: Path
) -> None:
    # A provider is installed for the life of a process, so this one is not ours.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SPANS, database_url, redis_url), stdout=asyncio.subprocess.PIPE, cwd=repository
    )
    output, _ = await process.communicate()

    assert process.returncode == 0
    spans, rows = json.loads(output.splitlines()[-1])
    assert [name for name, _, _ in spans] == ["tidewheel.accept", "tidewheel.accept"]
    (_, given, first), (_, own, second) = spans
    assert given == TRACEPARENT.split("-")[1]
    assert own != given
    assert [row[:-3] for row in rows] == [f"00-{given}-{first}", f"00-{own}-{second}"]


SPANS = f"""
import asyncio, json, sys
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.gateway import serving
from tidewheel_common.process.tracing import start_tracing

async def main():
    exporter = InMemorySpanExporter()
    tracing = start_tracing("gateway", endpoint=None, exporter=exporter)
    async with serving(sys.argv[1], sys.argv[2]) as gateway:
        for headers in ({{"traceparent": "{TRACEPARENT}"}}, {{}}):
            await gateway.http.post("/v1/tasks", json={{"handler": "demo.echo"}}, headers=headers)
        rows = [row["traceparent"] for row in await gateway.rows("SELECT traceparent FROM tasks ORDER BY id")]
    tracing.flush()
    spans = [
        (span.name, f"{{span.context.trace_id:032x}}", f"{{span.context.span_id:016x}}")
        for span in exporter.get_finished_spans()
    ]
    print(json.dumps([spans, rows]))

asyncio.run(main())
"""
