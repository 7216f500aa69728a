"""Batches on real servers: what becomes of tasks, and what never reaches the database in the open."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.execution import KEYRING, LONG_AGO, World, opened_world

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.tracing import current_traceparent
from tidewheel_common.store.engine import Connection
from tidewheel_common.streams.keys import WAKE_FINAL, WAKE_SCHEDULER
from tidewheel_executor import queries


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


def test_a_task_is_claimed_run_and_complete(world: World) -> None:
    task = world.queue("demo.echo", {"hello": "world"})

    durations = world.run(task)

    row = world.row(task)
    assert (row["state"], row["attempt"], row["failures"], row["reason"]) == ("complete", 1, 0, None)
    assert world.result(task) == {"hello": "world"}
    assert row["remove_at"] - row["finished_at"] == timedelta(seconds=60)
    assert (row["lease_until"], row["queued_at"], row["error"]) == (None,) * 3
    (attempt,) = world.attempts(task)
    assert (attempt["attempt"], attempt["state"], attempt["executor_id"]) == (1, "complete", world.terms.executor_id)
    assert attempt["tenant_id"] == task.tenant_id
    assert attempt["started_at"] == row["started_at"]
    assert attempt["finished_at"] == row["finished_at"]
    assert durations["demo.echo"][0] == 1


def test_a_hint_that_is_doubled_runs_its_task_once(world: World) -> None:
    task = world.queue("demo.echo")

    world.run(task, task)
    world.run(task)

    assert world.row(task)["attempt"] == 1


def test_a_failing_task_backs_off_until_its_attempts_are_exhausted(world: World) -> None:
    task = world.queue("demo.fail", {"message": "no luck"}, max_attempts=2, backoff={"initial": 10, "jitter": 0})

    world.run(task)

    row = world.row(task)
    assert (row["state"], row["failures"], row["attempt"], row["error_type"]) == ("waiting", 1, 1, "DemoError")
    (attempt,) = world.attempts(task)
    assert row["wait_until"] - attempt["finished_at"] == timedelta(seconds=10)
    assert (row["run_at"], row["finished_at"], row["remove_at"]) == (row["wait_until"], None, None)
    assert world.error(task).startswith("DemoError: no luck\n")
    assert "raise DemoError(message)" in world.error(task)
    assert "limits.py" not in world.error(task), "our own frames are of no use to anyone"

    _promote(world)
    world.run(_again(task, 1))

    row = world.row(task)
    assert (row["state"], row["reason"], row["failures"], row["attempt"]) == ("dead", "attempts_exhausted", 2, 2)
    assert [attempt["state"] for attempt in world.attempts(task)] == ["failed", "failed"]


def _promote(world: World) -> None:
    world.fetch("UPDATE tasks SET state = 'queued', queued_at = now(), wait_until = NULL WHERE state = 'waiting'")


def _again(task: Any, attempt: int) -> Any:
    return type(task)(id=task.id, tenant_id=task.tenant_id, handler=task.handler, attempt=attempt)


def test_a_flaky_task_succeeds_in_the_end(world: World) -> None:
    task = world.queue("demo.flaky", {"failures": 2})
    for attempt in range(3):
        world.run(_again(task, attempt))
        _promote(world)

    assert world.row(task)["state"] == "complete"
    assert world.result(task) == {"failures": 2}


@pytest.mark.parametrize(("arguments", "distance"), [({"x": 3, "y": 4}, 5.0), ({"x": [1, 1, 1], "y": [1, 1, 3]}, 2.0)])
def test_distances(world: World, arguments: dict[str, Any], distance: float) -> None:
    task = world.queue("demo.distance", arguments)
    world.run(task)
    assert world.result(task) == distance


def test_each_task_of_a_batch_stands_alone(world: World) -> None:
    good = [world.queue("demo.echo", {"number": number}) for number in range(3)]
    bad = [world.queue("demo.fail"), world.queue("demo.distance", {"x": 1}), world.queue("demo.echo", [1])]

    world.run(*good, *bad)

    assert [world.result(task)["number"] for task in good] == [0, 1, 2]
    assert [world.row(task)["state"] for task in bad] == ["waiting", "dead", "dead"]


def test_payloads_that_are_too_large_together_are_read_one_after_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[UUID]] = []
    as_it_is = queries.payloads_read

    async def watched(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
        found = await as_it_is(connection, ids)
        read.append(list(found))
        return found

    @world.handler(name="t.large")
    def large(text: str) -> int:
        return len(text)

    monkeypatch.setattr(queries, "payloads_read", watched)
    monkeypatch.setattr(queries, "PAYLOAD_BYTES", 1000)
    tasks = [world.queue("t.large", {"text": "x" * size}) for size in (700, 700, 5000, 700, 1)]
    stale = world.queue("t.large", {"text": ""}, expires_at=LONG_AGO)
    world.run(*tasks[:2], stale, *tasks[2:])

    assert [world.result(task) for task in tasks] == [700, 700, 5000, 700, 1]
    assert read == [[task.id for task in some] for some in (tasks[:2], tasks[2:3], tasks[3:4])]
    assert world.row(stale)["state"] == "queued"
    assert world.child.registry.get_sample_value("tidewheel_executor_stale_total") == 1


def test_a_payload_under_an_unknown_key_is_dead_for_its_task_alone(world: World) -> None:
    stranger = Sealer(Keyring({"other": bytes(32)}))
    sealed, other = world.queue("demo.echo", sealer=stranger), world.queue("demo.echo")

    world.run(sealed, other)

    row = world.row(sealed)
    assert (row["state"], row["reason"], row["error_type"]) == ("dead", "unsealable", "Unsealable")
    assert "'other'" in world.error(sealed)
    assert world.row(other)["state"] == "complete"


def test_a_fired_task_opens_the_payload_of_its_schedule(world: World) -> None:
    task = world.queue("demo.echo", {"tick": 1}, schedule_id=uuid4())
    world.run(task)
    assert world.result(task) == {"tick": 1}


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"x": 1}, "missing 1 required positional argument: 'y'"),
        ({"x": 1, "y": 2, "z": 3}, "unexpected keyword argument 'z'"),
        ([1, 2], "not a JSON object"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_a_sentence(world: World, payload: Any, says: str) -> None:
    task = world.queue("demo.distance", payload)

    world.run(task)

    assert (world.row(task)["state"], world.row(task)["reason"]) == ("dead", "permanent")
    assert says in world.error(task)
    assert (
        world.child.registry.get_sample_value("tidewheel_executor_dead_letters_total", {"handler": "demo.distance"})
        == 1
    )


def test_a_type_error_from_inside_a_handler_is_a_failure_like_any_other(world: World) -> None:
    assert world.finish("demo.distance", {"x": "a", "y": "b"})["state"] == "waiting"


def test_a_payload_that_is_nested_too_deeply_is_refused(world: World) -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    task = world.queue("demo.echo")
    sealed = Sealer(KEYRING).seal(deep, tenant=task.tenant_id, subject=_subject(task), field="payload")
    world.fetch("UPDATE tasks SET payload = $1 WHERE id = $2", sealed, task.id)

    world.run(task)

    assert world.row(task)["reason"] == "permanent"


def _subject(task: Any) -> Any:
    from tidewheel_common.crypto.sealed import Subject  # noqa: PLC0415 -- used here alone

    return Subject.task(task.id)


def test_the_hint_of_a_handler_that_is_not_served_is_dropped_and_its_task_left_alone(world: World) -> None:
    unknown, own, celerys = world.queue("nobody.serves"), world.queue("tidewheel.execute"), world.queue("celery.chunks")

    world.run(unknown, own, celerys)

    assert {world.row(task)["state"] for task in (unknown, own, celerys)} == {"queued"}


def test_nothing_readable_reaches_the_row(world: World) -> None:
    canary = f"canary{uuid4().hex}"
    tasks = [world.queue("demo.echo", {"secret": canary}), world.queue("demo.fail", {"message": canary})]

    world.run(*tasks)

    text = str(world.fetch("SELECT t::text, (SELECT array_agg(a::text) FROM execution_log a) FROM tasks t"))
    assert canary not in text
    assert canary.encode().hex() not in text
    assert world.result(tasks[0]) == {"secret": canary}


def test_coroutines_of_a_batch_run_beside_each_other_and_know_who_they_are(world: World) -> None:
    met = asyncio.Barrier(3)

    @world.handler(name="t.meet", bind=True)
    async def meet(self: Any, number: int) -> list[Any]:
        await asyncio.wait_for(met.wait(), 10)
        from celery import current_task  # noqa: PLC0415 -- a proxy that a handler would import

        in_thread = await asyncio.to_thread(lambda: self.request.id)
        return [number, self.request.id, current_task.request.id, in_thread, self.request.kwargs]

    tasks = [world.queue("t.meet", {"number": number}) for number in range(3)]
    world.run(*tasks)

    for number, task in enumerate(tasks):
        task_id = str(task.id)
        assert world.result(task) == [number, task_id, task_id, task_id, {"number": number}]


def test_a_def_handler_may_have_an_event_loop_of_its_own(world: World) -> None:
    @world.handler(name="t.own_loop")
    def own_loop() -> str:
        async def inner() -> str:
            return threading.current_thread().name

        return asyncio.run(inner())

    task = world.queue("t.own_loop")
    world.run(task, world.queue("demo.anoop"))

    assert world.result(task) == "MainThread"


def test_a_finished_task_does_not_wait_for_a_slow_neighbour(world: World, database_url: str) -> None:
    seen: list[str] = []

    @world.handler(name="t.watch")
    async def watch() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            async with asyncio.timeout(20):
                while not seen:
                    seen.extend(
                        row["state"]
                        for row in await connection.fetch("SELECT state FROM tasks WHERE attempt > 0")
                        if row["state"] == "complete"
                    )
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    world.run(world.queue("demo.anoop"), world.queue("t.watch"))

    assert seen == ["complete"]


def test_results(world: World) -> None:
    @world.handler(name="t.returns")
    def returns(what: str) -> Any:
        return {
            "nothing": None,
            "set": {1},
            "time": LONG_AGO,
            "id": task_id,
            "nan": float("nan"),
            "object": object,
            "surrogate": "\ud800",
            "large": "x" * (1024 * 1024),
        }[what]

    task_id = uuid4()

    def result_of(what: str) -> Any:
        task = world.queue("t.returns", {"what": what})
        world.run(task)
        return world.row(task), world.result(task)

    assert result_of("nothing")[0]["result"] is None
    assert result_of("set")[1] == [1]
    assert result_of("time")[1] == "2026-01-01T00:00:00+00:00"
    assert result_of("id")[1] == str(task_id)
    assert result_of("surrogate")[1] == "\ud800"
    assert result_of("nan")[1]["repr"] == "nan"
    row, stand_in = result_of("object")
    assert (row["state"], stand_in["note"]) == ("complete", "The handler returned a type, which is not JSON.")
    row, _ = result_of("large")
    assert (row["state"], row["reason"], row["error_type"]) == ("dead", "permanent", "ResultTooLarge")


def test_those_who_wait_hear_of_final_tasks_and_the_scheduler_of_near_retries(world: World, redis_url: str) -> None:
    async def listen() -> Any:
        redis = Redis.from_url(redis_url, decode_responses=True)
        pubsub = redis.pubsub()
        await pubsub.subscribe(WAKE_FINAL, WAKE_SCHEDULER)
        return redis, pubsub

    async def hear(redis: Any, pubsub: Any) -> dict[str, str]:
        heard: dict[str, str] = {}
        async with asyncio.timeout(10):
            while len(heard) < 2:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message:
                    heard[message["channel"]] = message["data"]
        await pubsub.aclose()
        await redis.aclose()
        return heard

    redis, pubsub = world.wait(listen())
    done, failed = world.queue("demo.noop"), world.queue("demo.fail", backoff={"initial": 1})
    world.run(done, failed)

    heard = world.wait(hear(redis, pubsub))
    assert heard == {WAKE_FINAL: str(done.id), WAKE_SCHEDULER: ""}


@pytest.mark.parametrize("handler", ["t.traced", "t.traced_async"])
def test_a_run_goes_on_with_the_trace_of_its_hint(world: World, handler: str) -> None:
    @world.handler(name="t.traced")
    def traced() -> str | None:
        return current_traceparent()

    @world.handler(name="t.traced_async")
    async def traced_async() -> str | None:
        return current_traceparent()

    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task, other = world.queue(handler), world.queue(handler)
    world.execute(task.hint._replace(traceparent=traceparent), other.hint)

    assert world.result(task) == traceparent
    assert world.result(other) is None


def test_counts(world: World) -> None:
    task = world.queue("demo.noop")
    world.run(task, world.queue("demo.fail"))
    world.run(task)

    count = world.child.registry.get_sample_value
    assert count("tidewheel_executor_runs_total", {"handler": "demo.noop", "outcome": "complete"}) == 1
    assert count("tidewheel_executor_runs_total", {"handler": "demo.fail", "outcome": "failed"}) == 1
    assert count("tidewheel_executor_run_seconds_count", {"handler": "demo.noop"}) == 1
    assert count("tidewheel_executor_stale_total") == 1
    assert count("tidewheel_executor_batch_tasks_sum", {"step": "claim"}) == 2


def test_no_error_text_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    canary = f"canary{uuid4().hex}"
    world.run(world.queue("demo.fail", {"message": canary}))

    out = capsys.readouterr()
    assert canary not in out.out + out.err
    assert json.dumps(canary)
