"""Handlers are ordinary Celery tasks: what their Celery code asks for is what happens, and nothing is published."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from celery import Celery, Task, current_task, shared_task, signals
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from pydantic import BaseModel
from tests.execution import World, nothing_published, opened_world


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with nothing_published(), opened_world(database_url, redis_url) as world:
        yield world


class Heard:
    """Signals, as they came."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.facts: list[dict[str, Any]] = []

    def __call__(self, signal: Any, **facts: Any) -> None:
        self.names.append(signal.name)
        self.facts.append(facts)


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    all_signals = [
        signals.task_prerun,
        signals.task_postrun,
        signals.task_success,
        signals.task_failure,
        signals.task_retry,
    ]
    for signal in all_signals:
        signal.connect(heard)
    yield heard
    for signal in all_signals:
        signal.disconnect(heard)


def test_a_bound_handler_knows_its_request(world: World) -> None:
    @world.handler(name="t.bound", bind=True)
    def bound(self: Any, **_: int) -> dict[str, Any]:
        request = self.request
        return {
            "id": request.id,
            "root_id": request.root_id,
            "retries": request.retries,
            "attempt": request.attempt,
            "task": request.task,
            "kwargs": request.kwargs,
            "args": request.args,
            "hostname": request.hostname,
            "limit": request.timelimit,
            "direct": request.called_directly,
            "current": current_task.request.id,
            "queue": request.delivery_info["routing_key"],
            "get": request.get("retries"),
        }

    task = world.queue("t.bound", {"number": 1}, failures=2, attempt=4, timeout=7)
    world.run(task)

    assert world.result(task) == {
        "id": str(task.id),
        "root_id": str(task.id),
        "retries": 2,
        "attempt": 5,
        "task": "t.bound",
        "kwargs": {"number": 1},
        "args": [],
        "hostname": "executor@tests",
        "limit": [None, 7.0],
        "direct": False,
        "current": str(task.id),
        "queue": "default",
        "get": 2,
    }
    assert current_task._get_current_object() is None  # type: ignore[attr-defined]  # it is a proxy


@pytest.mark.parametrize(
    ("error", "state", "reason", "logged"),
    [
        (Ignore(), "complete", None, "complete"),
        (Reject("no good"), "dead", "permanent", "failed"),
        (Reject("later", requeue=True), "waiting", None, "interrupted"),
        (Retry(when=cast("Any", 5)), "waiting", None, "failed"),
        (SystemExit(1), "waiting", None, "failed"),
        (GeneratorExit(), "waiting", None, "failed"),
        (MemoryError(), "waiting", None, "failed"),
        (RecursionError(), "waiting", None, "failed"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_handler_may_raise(  # noqa: PLR0917 -- a table
    world: World, error: BaseException, state: str, reason: str | None, logged: str, is_async: bool
) -> None:
    def body() -> None:
        raise error

    async def coroutine_body() -> None:
        raise error

    world.handler(name="t.raises")(coroutine_body if is_async else body)
    task = world.queue("t.raises")
    world.run(task, world.queue("t.raises"))

    row = world.row(task)
    assert (row["state"], row["reason"]) == (state, reason)
    assert row["failures"] == (logged == "failed" and state == "waiting")
    assert [attempt["state"] for attempt in world.attempts(task)] == [logged]


def test_an_interrupt_ends_the_batch_and_costs_nobody_a_failure(world: World) -> None:
    @world.handler(name="t.interrupt")
    def interrupt() -> None:
        raise KeyboardInterrupt

    hit, never = world.queue("t.interrupt"), world.queue("t.interrupt")
    once = world.queue("t.interrupt", delivery="at_most_once")

    with pytest.raises(KeyboardInterrupt):
        world.run(hit, never, once)
    assert [world.row(task)["state"] for task in (hit, never, once)] == ["waiting"] * 3
    assert {world.row(task)["failures"] for task in (hit, never, once)} == {0}

    world.fetch("UPDATE tasks SET state = 'queued', queued_at = now(), wait_until = NULL WHERE state = 'waiting'")
    with pytest.raises(KeyboardInterrupt):
        world.execute(once.hint._replace(attempt=1))
    assert (world.row(once)["state"], world.row(once)["reason"]) == ("dead", "lost")


class Hooked(Task[Any, Any]):
    calls: list[tuple[str, Any]]

    def before_start(self, _: str, __: Any, kwargs: Any) -> None:
        self.calls.append(("before_start", kwargs))

    def on_success(self, retval: Any, *_: Any) -> None:
        self.calls.append(("on_success", retval))
        raise ValueError  # changes nothing

    def on_retry(self, exc: Any, _: str, __: Any, ___: Any, einfo: Any) -> None:
        self.calls.append(("on_retry", (type(exc), "Traceback" in einfo.traceback)))

    def on_failure(self, exc: Any, _: str, __: Any, ___: Any, einfo: Any) -> None:
        self.calls.append(("on_failure", (type(exc), "Traceback" in einfo.traceback)))

    def after_return(self, status: str, *_: Any) -> None:
        self.calls.append(("after_return", status))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("how", "failures", "calls", "names"),
    [
        ("return", 0, [("on_success", 7), ("after_return", "SUCCESS")], ["task_success"]),
        ("raise", 0, [("on_retry", (KeyError, True))], ["task_retry"]),
        ("raise", 4, [("on_failure", (KeyError, True)), ("after_return", "FAILURE")], ["task_failure"]),
        ("retry", 0, [("on_retry", (OSError, True))], ["task_retry"]),
        ("retry", 4, [("on_failure", (OSError, True)), ("after_return", "FAILURE")], ["task_failure"]),
        ("ignore", 0, [], []),
        ("large", 0, [("on_failure", None), ("after_return", "FAILURE")], ["task_failure"]),
    ],
)
def test_hooks_and_signals(  # noqa: PLR0917 -- a table
    world: World, heard: Heard, how: str, failures: int, calls: list[Any], names: list[str], is_async: bool
) -> None:
    def body(self: Any, how: str) -> Any:
        if how == "raise":
            raise KeyError
        if how == "retry":
            self.retry(exc=OSError(), countdown=1)
        if how == "ignore":
            raise Ignore
        return "x" * 2_000_000 if how == "large" else 7

    async def coroutine_body(self: Any, how: str) -> Any:
        return body(self, how)

    Hooked.calls = []
    world.handler(name="t.hooked", bind=True, base=Hooked)(coroutine_body if is_async else body)
    world.finish("t.hooked", {"how": how}, failures=failures)

    seen = [(name, None if how == "large" and name == "on_failure" else value) for name, value in Hooked.calls]
    assert seen == [("before_start", {"how": how}), *calls]
    assert heard.names == ["task_prerun", *names, "task_postrun"]
    states = {"return": "SUCCESS", "ignore": "IGNORED", "large": "FAILURE"}
    expected = states.get(how, "FAILURE" if failures else "RETRY")
    assert heard.facts[-1]["state"] == expected
    assert heard.facts[0]["task"].name == "t.hooked"


def test_a_signal_receiver_finds_the_current_task(world: World) -> None:
    seen: list[str] = []

    def note(task: Any, **_: Any) -> None:
        seen.append(task.request.id)
        seen.append(str(current_task.request.id))

    signals.task_prerun.connect(note)
    try:
        task = world.queue("demo.noop")
        world.run(task)
    finally:
        signals.task_prerun.disconnect(note)

    assert seen == [str(task.id)] * 2


def test_a_base_class_with_its_own_call_and_retry_is_honoured(world: World) -> None:
    seen: list[str] = []

    class Context(Task[Any, Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            seen.append("call")
            return super().__call__(*args, **kwargs)

        def retry(self, *args: Any, **options: Any) -> Any:
            seen.append("retry")
            return super().retry(*args, **options)

    @world.handler(name="t.context", bind=True, base=Context)
    def context(self: Any) -> None:
        seen.append(self.request.id)
        self.retry(countdown=3)

    task = world.queue("t.context")
    world.run(task)

    assert seen == ["call", str(task.id), "retry"]
    assert world.row(task)["state"] == "waiting"


def test_a_task_class_is_a_handler(world: World) -> None:
    class Classy(Task[Any, Any]):
        name = "t.classy"

        def run(self, number: int) -> int:
            return number + self.request.retries

    world.app.register_task(Classy())
    task = world.queue("t.classy", {"number": 1}, failures=1)
    world.run(task)
    assert world.result(task) == 2
    assert world.finish("t.classy", {"nmber": 1})["reason"] == "permanent"


def test_a_shared_task_and_a_direct_call_within_a_handler(world: World) -> None:
    @shared_task(name="t.shared", bind=True)
    def shared(self: Any, nested: bool) -> Any:
        if nested:
            return [shared(nested=False), shared.apply(kwargs={"nested": False}).get(disable_sync_subtasks=False)]
        return self.request.is_eager

    task = world.queue("t.shared", {"nested": True})
    world.run(task)
    assert world.result(task) == [False, True]


def test_a_pydantic_handler(world: World) -> None:
    class Point(BaseModel):
        x: float

    @world.handler(name="t.pydantic", pydantic=True)
    def model(point: Point) -> Point:
        return point

    task = world.queue("t.pydantic", {"point": {"x": 1}})
    world.run(task)
    assert world.result(task) == {"x": 1.0}


def test_outside_of_tidewheel_a_handler_is_celerys(world: World) -> None:
    @world.handler(name="t.both", bind=True, max_retries=7)
    def both(self: Any) -> Any:
        if self.request.called_directly:
            return self.max_retries
        return self.retry(countdown=1)

    world.finish("t.both")

    assert both() == 7
    assert isinstance(both, Task)
    both.max_retries = 1
    assert both.max_retries == 1


def test_a_users_own_app_serves(database_url: str, redis_url: str) -> None:
    with opened_world(database_url, redis_url) as world:
        assert isinstance(world.app, Celery)

        @world.handler()
        def unnamed() -> int:
            return 3

        task = world.queue(unnamed.name)
        world.run(task)
        assert world.result(task) == 3


@pytest.mark.parametrize("is_async", [False, True])
def test_a_soft_timeout_is_a_failure(world: World, is_async: bool) -> None:
    def body() -> None:
        threading.Event().wait(30)

    async def coroutine_body() -> None:
        import asyncio  # noqa: PLC0415 -- a handler's own import

        await asyncio.sleep(30)

    world.handler(name="t.slow")(coroutine_body if is_async else body)
    slow = world.queue("t.slow", timeout=0.05)
    neighbours = [world.queue("t.slow", timeout=0.05), world.queue("demo.noop"), world.queue("demo.anoop")]
    world.run(slow, *neighbours)

    row = world.row(slow)
    assert (row["state"], row["failures"], row["error_type"]) == ("waiting", 1, "SoftTimeLimitExceeded")
    assert world.error(slow).startswith("The handler was stopped after its timeout of 0.05 s.")
    assert [world.row(task)["state"] for task in neighbours] == ["waiting", "complete", "complete"]


def test_a_handler_may_clean_up_after_its_timeout(world: World) -> None:
    @world.handler(name="t.tidy")
    def tidy() -> str:
        try:
            threading.Event().wait(30)
        except SoftTimeLimitExceeded:
            return "tidied up"
        return "not stopped"

    task = world.queue("t.tidy", timeout=0.05)
    world.run(task)
    assert world.result(task) == "tidied up"


def test_a_timeout_of_the_handlers_own_is_not_its_soft_limit(world: World) -> None:
    @world.handler(name="t.impatient")
    async def impatient() -> None:
        raise TimeoutError

    assert world.finish("t.impatient")["error_type"] == "TimeoutError"
