"""What the Celery drop-in refuses, before anything is sent, and what it leaves alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery, Task, chain, chord, group

from tidewheel_client import NotConfigured
from tidewheel_client.celery import Unmapped
from tidewheel_client.celery.canvas import Draft


@pytest.fixture
def app() -> Celery:
    """An app that can reach nothing: whatever is sent would fail otherwise."""
    return _app(task_cls="tidewheel_client.celery:DurableTask")


def _app(**options: Any) -> Celery:
    app = Celery("tests", broker="memory://", backend="cache+memory://", set_as_current=False, **options)

    @app.task(name="t.add", shared=False)
    def add(one: Any, other: Any = 0) -> Any:
        return one + other

    @app.task(name="t.several", shared=False)
    def several(*items: int, **_: int) -> int:
        return sum(items)

    @app.task(name="t.swap", shared=False, bind=True)
    def swap(self: Any) -> None:
        self.replace(add.s(1))

    return app


def _nothing() -> None:
    """Do nothing."""


Call = Callable[[Any, Any], object]

_REFUSED: dict[str, Call] = {
    "link_error": lambda add, _: add.apply_async((1,), link_error=add.s()),
    "ignore_result": lambda add, _: add.apply_async((1,), ignore_result=True),
    "connection": lambda add, _: add.apply_async((1,), connection=object()),
    "routing_key": lambda add, _: add.apply_async((1,), routing_key="a.b"),
    "headers": lambda add, _: add.apply_async((1,), headers={"a": 1}),
    "pickle": lambda add, _: add.apply_async((1,), serializer="pickle"),
    "argument *items": lambda _, several: several.delay(1, 2),
    "control.ping": lambda add, _: add.app.control.ping(),
    "positional arguments for": lambda add, _: add.app.send_task("t.elsewhere", (1,)),
    "countdown": lambda add, _: chain(add.s(1), add.s().set(countdown=5)).delay(),
    "expires": lambda add, _: chain(add.s(1), add.s().set(expires=5)).delay(),
    "1,001 tasks": lambda add, _: chord([add.s(1)] * 1000, add.si(1)).delay(),
    "celery.map": lambda add, _: add.map([1, 2]).delay(),
    "celery.starmap": lambda add, _: add.starmap([(1, 2)]).apply_async(),
    "link` on a group": lambda add, _: group(add.s(1)).apply_async(link=add.s()),
    "self.replace": lambda add, _: add.app.tasks["t.swap"].run(),
    "forget": lambda add, _: add.AsyncResult("1").forget(),
}


@pytest.mark.parametrize("named", _REFUSED)
def test_what_cannot_be_mapped_is_refused_by_its_name(app: Celery, named: str) -> None:
    with pytest.raises(Unmapped, match=named.replace("*", r"\*")):
        _REFUSED[named](app.tasks["t.add"], app.tasks["t.several"])


def test_arguments_that_do_not_fit_are_refused_as_in_celery(app: Celery) -> None:
    with pytest.raises(TypeError, match="takes from 1 to 2 positional"):
        app.tasks["t.add"].delay(1, 2, 3)
    with pytest.raises(TypeError, match="missing 1 required positional"):
        app.tasks["t.add"].delay(other=1)


def test_a_task_that_follows_asks_for_the_results_of_those_before(app: Celery) -> None:
    add = app.tasks["t.add"].s
    draft = Draft(app)
    draft.add(chain(group(add(1), add(2, other=3)), add(4), add(other=5), app.tasks["t.add"].si(6)))

    assert [task["payload"] for task in draft.tasks] == [
        {"one": 1},
        {"one": 2, "other": 3},
        {"one": {"$parent": "*"}, "other": 4},
        {"one": {"$parent": 0}, "other": 5},
        {"one": 6},
    ]
    draft.add(chord([], body=add()))
    alone = draft.tasks.pop()
    assert (alone["payload"], "depends_on" in alone) == ({"one": []}, False), "a header of nothing"
    parents = [[each["index"] for each in task.get("depends_on", ())] for task in draft.tasks]
    assert parents == [[], [], [0, 1], [2], [3]]


@pytest.mark.parametrize(("broker", "words"), [("redis://", "high medium low"), ("amqp://", "low medium high")])
def test_which_priority_is_urgent_depends_on_the_broker(app: Celery, broker: str, words: str) -> None:
    app.conf["broker_url"] = f"{broker}nowhere"
    draft = Draft(app)
    for priority in (0, 5, 9):
        draft.add(app.tasks["t.add"].s(1).set(priority=priority))
    assert [task["priority"] for task in draft.tasks] == words.split()


@pytest.mark.parametrize(
    ("declared", "given", "timeout", "attempts"),
    [
        ({"soft_time_limit": 20, "time_limit": 3}, {}, 3, 1000),
        ({"time_limit": 30}, {"soft_time_limit": 10}, 10, 1000),
        ({}, {}, 60, 1000),
        ({"max_retries": 5}, {"retries": 4}, 60, 2),
    ],
)
def test_the_tighter_limit_counts_and_retries_that_are_used_up(
    app: Celery, declared: dict[str, Any], given: dict[str, Any], timeout: int, attempts: int
) -> None:
    app.conf.update(task_time_limit=60)
    declare: Any = app.task
    task = declare(name="t.limited", shared=False, **declared)(_nothing)
    draft = Draft(app)
    draft.add(task.s().set(**given))
    assert (draft.tasks[0]["timeout"], draft.tasks[0]["max_attempts"]) == (timeout, attempts)


def test_an_executor_submits_as_the_app_itself_would(app: Celery) -> None:
    app.conf["tidewheel_replaced"] = {"broker_url": "redis://x", "task_soft_time_limit": 9, "task_time_limit": None}
    draft = Draft(app)
    draft.add(app.tasks["t.add"].s(1).set(priority=0))
    assert (draft.tasks[0]["timeout"], draft.tasks[0]["priority"]) == (9, "high")


@pytest.mark.parametrize(
    "chosen", ["order-1", "x" * 57, "x" * 58, "a\nb"], ids=["short", "just fits", "too long", "not printable"]
)
def test_an_id_that_the_caller_chose_is_the_key_and_a_tag(app: Celery, chosen: str) -> None:
    draft = Draft(app)
    draft.add(app.tasks["t.add"].s(1).set(task_id=chosen))
    [tag] = draft.tasks[0]["tags"]
    assert (draft.key, tag.startswith("celery:"), len(tag) <= 64, tag.isprintable()) == (
        *(f"celery-{chosen}", True, True, True),
    )


def test_a_task_with_a_base_of_its_own_is_durable_too(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIDEWHEEL_URL", "TIDEWHEEL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    app.finalize()
    based: Any = app.task(name="t.based", base=Task, shared=False, ignore_result=True)(_nothing)
    with pytest.raises(NotConfigured):
        based.delay()


def test_options_become_fields(app: Celery) -> None:
    app.conf.update(timezone="Europe/Berlin", result_expires=60, task_routes={"t.add": {"queue": "sums"}})
    draft = Draft(app)
    when = datetime(2026, 12, 1, 9)  # noqa: DTZ001 -- to Celery it is UTC
    options: Any = {"eta": when, "expires": datetime(2026, 12, 2, tzinfo=UTC), "time_limit": 7}
    draft.add(app.tasks["t.add"].s(Decimal("1.5")).set(**options, retry=False))

    assert draft.tasks == [
        {
            "handler": "t.add",
            "payload": {"one": {"__type__": "decimal", "__value__": "1.5"}},
            "queue": "sums",
            "timeout": 7,
            "max_attempts": 1000,
            "removal_delay": 60.0,
            "run_at": "2026-12-01T10:00:00+01:00",
            "expires_at": "2026-12-02T00:00:00+00:00",
        }
    ]


def test_eager_apps_stay_eager(app: Celery) -> None:
    app.conf.task_always_eager = True
    add = app.tasks["t.add"]
    assert add.delay(1, 2).get() == 3
    assert chain(add.s(1), add.s(2)).delay().get() == 3
    assert chord([add.s(1), add.s(2)], add.si(4)).delay().get() == 4


def test_other_apps_publish_as_before() -> None:
    plain = _app()
    result: Any = group(plain.tasks["t.add"].s(1)).delay()
    assert type(result.results[0]).__module__ == "celery.result"
    assert plain.control.__class__.__module__ == "celery.app.control"
