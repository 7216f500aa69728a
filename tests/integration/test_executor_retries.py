"""Retries that a handler asks for, in Celery's words, wait in PostgreSQL; nothing is published."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import MaxRetriesExceededError
from tests.execution import World, nothing_published, opened_world

from tidewheel_executor.kinds import http
from tidewheel_executor.retries import keeps_to_celery, take_over
from tidewheel_executor.signature import read_signature


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with nothing_published(), opened_world(database_url, redis_url) as world:
        yield world


def _wait_of(world: World, row: Any) -> float:
    (attempt,) = world.fetch("SELECT finished_at FROM execution_log WHERE task_id = $1", row["id"])
    waits: timedelta = row["wait_until"] - attempt["finished_at"]
    return waits.total_seconds()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("asked", "state", "failures", "wait"),
    [
        ({"countdown": 30}, "waiting", 1, 30),
        ({"countdown": 0}, "waiting", 1, 0),
        ({"eta": timedelta(hours=1)}, "waiting", 1, 3600),
        ({}, "waiting", 1, 2),  # the task's own backoff
        ({"max_retries": 0}, "dead", 1, None),
        ({"max_retries": 9}, "waiting", 1, 2),
        ({"exc": ValueError("why")}, "waiting", 1, 2),
        ({"throw": False}, "waiting", 1, 2),
    ],
)
def test_a_retry_waits_as_long_as_the_handler_asks(  # noqa: PLR0917 -- a table
    world: World, asked: dict[str, Any], state: str, failures: int, wait: float | None, is_async: bool
) -> None:
    def again(self: Any) -> None:
        options = dict(asked)
        if "eta" in options:
            started = world.fetch("SELECT clock_timestamp() AS now")[0]["now"]
            options["eta"] = started + options["eta"]
        self.retry(**options)

    async def again_later(self: Any) -> None:
        again(self)

    body = again_later if is_async and "eta" not in asked else again
    world.handler(name="t.again", bind=True)(body)

    row = world.finish("t.again", backoff={"initial": 2, "jitter": 0})

    assert (row["state"], row["failures"]) == (state, failures)
    if wait is not None:
        assert _wait_of(world, row) == pytest.approx(wait, abs=1)


def test_the_error_of_a_retry_is_its_cause(world: World) -> None:
    @world.handler(name="t.caused", bind=True)
    def caused(self: Any) -> None:
        try:
            dict[str, str]()["k"]
        except KeyError as error:
            raise self.retry(exc=error, countdown=1) from error

    task = world.queue("t.caused")
    world.run(task)

    assert world.row(task)["error_type"] == "KeyError"
    assert world.error(task).startswith("KeyError: 'k'")


def test_max_attempts_rules_over_celerys_default_of_three_retries(world: World) -> None:
    @world.handler(name="t.patient", bind=True)
    def patient(self: Any) -> None:
        self.retry(countdown=1)

    assert world.finish("t.patient", failures=6, max_attempts=10)["state"] == "waiting"
    row = world.finish("t.patient", failures=9, max_attempts=10)
    assert (row["state"], row["reason"], row["error_type"]) == ("dead", "attempts_exhausted", "MaxRetriesExceededError")


def test_a_handlers_own_limit_holds_where_it_is_the_stricter_one(world: World) -> None:
    @world.handler(name="t.once_more", bind=True, max_retries=1)
    def once_more(self: Any, how: str) -> None:
        if how == "raises":
            raise ValueError
        self.retry(countdown=1, max_retries=3 if how == "this once" else None)

    assert world.finish("t.once_more", {"how": ""}, failures=0)["state"] == "waiting"
    assert world.finish("t.once_more", {"how": ""}, failures=1)["reason"] == "attempts_exhausted"
    assert world.finish("t.once_more", {"how": "raises"}, failures=1)["reason"] == "attempts_exhausted"
    assert world.finish("t.once_more", {"how": "this once"}, failures=2)["state"] == "waiting"
    assert world.finish("t.once_more", {"how": "this once"}, failures=1, max_attempts=2)["state"] == "dead"


def test_a_handler_may_catch_the_end_of_its_retries(world: World) -> None:
    @world.handler(name="t.fallback", bind=True)
    def fallback(self: Any) -> str:
        try:
            self.retry(countdown=1)
        except MaxRetriesExceededError:
            return "fallback"
        raise AssertionError

    task = world.queue("t.fallback", failures=4, max_attempts=5)
    world.run(task)

    assert world.result(task) == "fallback"


def test_a_retry_with_other_arguments_is_refused(world: World) -> None:
    @world.handler(name="t.other", bind=True)
    def other(self: Any, number: int, same: bool) -> None:
        self.retry(kwargs={"number": number if same else number + 1, "same": same}, countdown=1)

    task = world.queue("t.other", {"number": 1, "same": False})
    world.run(task)
    assert world.row(task)["reason"] == "permanent"
    assert "submit a new task" in world.error(task)
    assert world.finish("t.other", {"number": 1, "same": True})["state"] == "waiting"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("error", "state", "wait"),
    [("OSError", "waiting", 64), ("ValueError", "waiting", 2), ("PermissionError", "waiting", 2)],
)
def test_autoretry_with_backoff(world: World, error: str, state: str, wait: float, is_async: bool) -> None:
    kinds = {"OSError": OSError, "ValueError": ValueError, "PermissionError": PermissionError}

    def body() -> None:
        raise kinds[error]("x")

    async def coroutine_body() -> None:
        body()

    options: dict[str, Any] = {
        "autoretry_for": (OSError,),
        "dont_autoretry_for": (PermissionError,),
        "retry_backoff": 8,
        "retry_jitter": False,
    }
    world.handler(name="t.auto", **options)(coroutine_body if is_async else body)

    row = world.finish("t.auto", failures=3, backoff={"initial": 2, "factor": 1, "jitter": 0})

    assert (row["state"], row["error_type"]) == (state, error)
    assert _wait_of(world, row) == pytest.approx(wait)
    assert world.finish("t.auto", failures=4)["reason"] == "attempts_exhausted"


@pytest.mark.parametrize("is_async", [False, True])
def test_autoretry_keeps_to_its_own_limit(world: World, is_async: bool) -> None:
    def body() -> None:
        raise OSError

    async def coroutine_body() -> None:
        body()

    options: dict[str, Any] = {"autoretry_for": (OSError,), "retry_kwargs": {"max_retries": 2, "countdown": 9}}
    world.handler(name="t.auto", **options)(coroutine_body if is_async else body)

    row = world.finish("t.auto", failures=1)
    assert _wait_of(world, row) == pytest.approx(9)
    row = world.finish("t.auto", failures=2)
    assert (row["reason"], row["error_type"]) == ("attempts_exhausted", "OSError")


def test_an_eta_without_a_zone_is_in_utc(world: World) -> None:
    @world.handler(name="t.naive", bind=True)
    def naive(self: Any) -> None:
        at: datetime = world.fetch("SELECT clock_timestamp() AS now")[0]["now"]
        self.retry(eta=(at + timedelta(hours=2)).astimezone(UTC).replace(tzinfo=None))

    assert _wait_of(world, world.finish("t.naive")) == pytest.approx(7200, abs=1)


def test_in_a_durable_app_every_task_of_the_users_keeps_to_celery_and_no_kind_of_ours() -> None:
    app = Celery("durable", task_cls="tidewheel_client.celery:DurableTask", set_as_current=False)

    def body(when: datetime) -> datetime:
        return when

    app.task(name="t.based", base=Task, shared=False)(body)
    plain = app.tasks["t.based"]

    wishes = take_over(plain)
    assert (wishes.as_in_celery, wishes.limit, wishes.delay) == (True, 3, True)
    assert json.loads(read_signature(plain).arguments)["properties"] == {"when": {}}
    assert not keeps_to_celery(app.tasks[http.request.name]), "what fails there is tried again"


@pytest.mark.parametrize(("asks", "state", "failures"), [(False, "dead", 0), (True, "waiting", 1)])
def test_a_handler_of_the_celery_drop_in_is_tried_again_only_when_it_asks(
    world: World, asks: bool, state: str, failures: int
) -> None:
    @world.handler(name="t.celery", bind=True, as_in_celery=True, max_retries=3)
    def body(self: Any, when: datetime) -> None:
        assert when.year == 2026
        if asks:
            raise self.retry(countdown=60)
        raise ValueError

    row = world.finish("t.celery", {"when": {"__type__": "datetime", "__value__": "2026-01-01T00:00:00"}})
    assert (row["state"], row["failures"], row["attempt"]) == (state, failures, 1)
