"""Batches when something else happens meanwhile: overtaken, cancelled, cut off, killed."""

import os
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import signals
from celery.exceptions import WorkerShutdown
from tests.execution import World, opened_world

from tidewheel_common.streams.hint import Hint
from tidewheel_executor import queries
from tidewheel_executor.claim import Terms
from tidewheel_executor.lost import report_lost


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


def test_a_zombie_finishes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    @world.handler(name="t.overtaken")
    def overtaken() -> str:
        world.fetch("UPDATE tasks SET attempt = attempt + 1")  # as after a rescue and a new claim
        return "late"

    task = world.queue("t.overtaken")
    world.run(task)

    row = world.row(task)
    assert (row["state"], row["attempt"], row["result"]) == ("running", 2, None)
    assert world.attempts(task) == []
    assert world.child.registry.get_sample_value("tidewheel_executor_fenced_total") == 1
    assert caplog is not None


def test_a_cancel_that_was_asked_for_while_it_ran_takes_effect_instead_of_a_retry(world: World) -> None:
    @world.handler(name="t.cancelled")
    def cancelled(fails: bool) -> None:
        world.fetch("UPDATE tasks SET cancel_requested_at = now() WHERE state = 'running'")
        if fails:
            raise ValueError

    failed, done = world.queue("t.cancelled", {"fails": True}), world.queue("t.cancelled", {"fails": False})
    world.run(failed, done)

    row = world.row(failed)
    assert (row["state"], row["reason"], row["failures"]) == ("cancelled", "cancelled", 1)
    assert row["remove_at"] is not None
    assert [attempt["state"] for attempt in world.attempts(failed)] == ["cancelled"]
    assert world.row(done)["state"] == "complete"


def test_what_a_dead_child_held_is_given_up_and_nothing_else(world: World, database_url: str) -> None:
    columns: list[dict[str, Any]] = [{}, {"lost": 2}, {"delivery": "at_most_once"}, {}, {}]
    tasks = [world.queue("demo.noop", **each) for each in columns]
    running, poison, once, done, _ = tasks
    world.run(done)
    hints = [Hint(task_id=task.id, attempt=0, handler=task.handler) for task in tasks]
    claim = "UPDATE tasks SET state = 'running', attempt = 1, lease_until = now(), started_at = now(), executor_id = $1"
    world.fetch(f"{claim} WHERE id = ANY($2)", world.terms.executor_id, [running.id, poison.id, once.id])

    given_up = world.wait(_report(database_url, world.terms.executor_id, hints))

    assert given_up == 3
    assert [(world.row(task)["state"], world.row(task)["reason"], world.row(task)["lost"]) for task in tasks] == [
        ("waiting", None, 1),
        ("dead", "poison", 3),
        ("dead", "lost", 1),
        ("complete", None, 0),
        ("queued", None, 0),
    ]
    assert [attempt["state"] for attempt in world.attempts(running)] == ["lost"]
    assert world.wait(_report(database_url, world.terms.executor_id, hints)) == 0
    assert world.row(running)["failures"] == 0


async def _report(database_url: str, executor_id: Any, hints: list[Hint]) -> int:
    from tidewheel_common.store.engine import open_engine  # noqa: PLC0415 -- used here alone

    engine = open_engine(database_url, application_name="test")
    try:
        return await report_lost(engine, executor_id, hints, jitter=lambda: 0.0)
    finally:
        await engine.dispose()


def test_a_batch_outlives_a_lost_connection(world: World) -> None:
    @world.handler(name="t.cut")
    def cut() -> int:
        world.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidewheel-executor-child'"
        )
        return os.getpid()

    task = world.queue("t.cut")
    world.run(task)

    assert world.row(task)["state"] == "complete"


def test_a_claim_whose_connection_was_lost_is_made_again(world: World) -> None:
    world.run(world.queue("demo.noop"))
    world.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidewheel-executor-child'"
    )

    assert world.finish("demo.noop")["state"] == "complete"


def test_one_row_that_cannot_be_recorded_does_not_take_its_neighbours_along(world: World) -> None:
    @world.handler(name="t.spoil")
    def spoil() -> None:
        """Do nothing."""

    world.fetch(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22000'; END $$
        """
    )
    world.fetch(
        "CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW "
        "WHEN (NEW.state = 'complete' AND NEW.handler = 't.spoil') EXECUTE FUNCTION refuse()"
    )
    bad, good = world.queue("t.spoil"), world.queue("demo.noop")

    world.run(bad, good)

    assert (world.row(bad)["state"], world.row(good)["state"]) == ("running", "complete")


def test_a_task_whose_lease_ran_out_while_it_waited_is_not_begun(database_url: str, redis_url: str) -> None:
    terms = Terms(executor_id=uuid4(), default_timeout=0.2, grace=0.0)
    with opened_world(database_url, redis_url, terms=terms) as world:
        ran: list[str] = []

        @world.handler(name="t.stubborn")
        def stubborn() -> None:
            from celery.exceptions import SoftTimeLimitExceeded  # noqa: PLC0415 -- a handler's own import

            ran.append("x")
            try:
                threading.Event().wait(5)
            except SoftTimeLimitExceeded:
                threading.Event().wait(0.3)

        tasks = [world.queue("t.stubborn"), world.queue("t.stubborn")]
        world.run(*tasks)

        assert len(ran) == 1
        assert world.row(tasks[1])["state"] == "waiting"
        assert world.row(tasks[1])["failures"] == 0


def test_whatever_fails_around_a_handler_costs_its_neighbours_nothing(world: World) -> None:
    class Odd(BaseException):
        """Not even an Exception."""

    def receiver(sender: Any, **_: Any) -> None:
        if sender.name == "t.odd":
            raise Odd

    @world.handler(name="t.odd")
    def odd() -> None:
        """Do nothing."""

    signals.task_prerun.connect(receiver)
    try:
        tasks = [world.queue("t.odd"), world.queue("demo.noop")]
        world.run(*tasks)
    finally:
        signals.task_prerun.disconnect(receiver)

    assert [world.row(task)["state"] for task in tasks] == ["waiting", "complete"]
    assert (world.row(tasks[0])["failures"], world.row(tasks[0])["error_type"]) == (1, "Odd")


def test_what_a_claim_took_whose_answer_was_lost_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = queries.tasks_claim
    answers = iter([ConnectionResetError("the answer was lost")])

    async def claim(connection: Any, **options: Any) -> Any:
        rows = await honest(connection, **options)
        for lost in answers:
            raise lost
        return rows

    monkeypatch.setattr(queries, "tasks_claim", claim)
    task = world.queue("demo.noop", delivery="at_most_once")
    world.run(task)

    row = world.row(task)
    assert (row["state"], row["failures"], row["lost"], row["attempt"]) == ("waiting", 0, 0, 1)


def test_each_task_of_a_batch_ends_in_its_own_way(world: World) -> None:
    @world.handler(name="t.any")
    def act(how: str) -> None:
        if how == "fail":
            raise ValueError
        if how == "lose":
            world.fetch("UPDATE tasks SET attempt = attempt + 1 WHERE id = $1", lost.id)

    plain, failed, awaited, lost, last = tasks = [
        world.queue("t.any", {"how": how}) for how in ("end", "fail", "end", "lose", "end")
    ]
    child = world.queue("demo.noop")
    world.fetch("INSERT INTO dependencies (task_id, parent_id, place) VALUES ($1, $2, 0)", child.id, awaited.id)
    world.fetch("UPDATE tasks SET awaited = true WHERE id = $1", awaited.id)
    world.fetch(
        "UPDATE tasks SET state = 'blocked', queued_at = NULL, pending_parents = 1, on_parent_failure = 'cancel'"
        " WHERE id = $1",
        child.id,
    )
    world.run(*tasks)

    assert [world.row(task)["state"] for task in (plain, awaited, last)] == ["complete"] * 3
    assert [world.row(task)["state"] for task in (failed, lost, child)] == ["waiting", "running", "ready"]
    logged = {task.id: [entry["state"] for entry in world.attempts(task)] for task in tasks}
    assert list(logged.values()) == [["complete"], ["failed"], ["complete"], [], ["complete"]]
    assert world.child.registry.get_sample_value("tidewheel_executor_fenced_total") == 1


def test_a_finish_whose_answer_was_lost_is_told_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @world.handler(name="t.fail")
    def fail() -> None:
        raise ValueError

    _lose_the_first_answer(monkeypatch, "tasks_complete")
    _lose_the_first_answer(monkeypatch, "tasks_finish")
    assert world.finish("demo.noop")["state"] == "complete"
    assert world.finish("t.fail")["state"] == "waiting"
    assert world.child.registry.get_sample_value("tidewheel_executor_fenced_total") == 0


def _lose_the_first_answer(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    honest = getattr(queries, statement)
    answers = iter([ConnectionResetError("the answer was lost")])

    async def lossy(*arguments: Any, **options: Any) -> Any:
        rows = await honest(*arguments, **options)
        for lost in answers:
            raise lost
        return rows

    monkeypatch.setattr(queries, statement, lossy)


def test_what_ends_its_process_time_and_again_waits_longer_each_time(world: World) -> None:
    @world.handler(name="t.end")
    def end() -> None:
        raise WorkerShutdown

    first, again = world.queue("t.end"), world.queue("t.end", attempt=3)
    for task in (first, again):
        with pytest.raises(WorkerShutdown):
            world.run(task)

    waits = world.fetch(
        "SELECT round(extract(epoch FROM wait_until - now()))::int AS seconds FROM tasks ORDER BY attempt"
    )
    assert [world.row(task)["state"] for task in (first, again)] == ["waiting", "waiting"]
    assert [row["seconds"] for row in waits] == [0, 4]
    assert [world.row(task)["failures"] for task in (first, again)] == [0, 0]
