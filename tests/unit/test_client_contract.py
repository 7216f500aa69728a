"""The client covers the gateway's OpenAPI document: every operation, every parameter, every field."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints
from uuid import UUID

import httpx2
import pytest
from pydantic import BaseModel, SecretStr

from tidewheel_client import ApiError, Client, UnexpectedAnswer, async_resources, models, options, resources
from tidewheel_client.methods import AsyncResource, Resource
from tidewheel_client.testing import FakeTidewheel
from tidewheel_client.testing.routes import ROUTES
from tidewheel_gateway.app import create_app
from tidewheel_gateway.settings import GatewaySettings

ID = UUID(int=7)
THEN = datetime(2026, 12, 1, 9, tzinfo=UTC)

HOW = (
    "The client does not cover the operation {0!r}. Write a function of this name in "
    "libs/client/src/tidewheel_client/operations/, give it a line in resources.py and one in async_resources.py, "
    "and call it in CALLS of this test."
)

Use = Callable[[Client], object]

CALLS: dict[str, Use] = {
    "submit_task": lambda client: client.submit(
        "reports.daily",
        {"at": THEN},
        run_at=THEN,
        expires_at=THEN,
        timeout=timedelta(minutes=1),
        backoff={"initial": timedelta(seconds=2)},
        depends_on=[ID, client.tasks.handle(ID)],
    ),
    "submit_tasks": lambda client: client.submit_batch(
        [{"handler": "a"}, {"handler": "b", "depends_on": [{"index": 0}]}]
    ),
    "list_of_tasks": lambda client: list(
        client.tasks.list(state=["dead"], queue="q", handler="h", tag="t", schedule=ID, created_after=THEN, limit=5)
    ),
    "get_task": lambda client: client.tasks.get(ID, wait=0.5),
    "list_attempts": lambda client: client.tasks.attempts(ID),
    "explain_task": lambda client: client.tasks.explain(ID),
    "cancel_task": lambda client: client.tasks.cancel(ID),
    "redrive_task": lambda client: client.tasks.redrive(ID, payload={"a": 1}),
    "read_logs": lambda client: client.tasks.logs(ID, after="1-1"),
    "list_dead_letters": lambda client: list(client.tasks.dead_letters(limit=5)),
    "start_operation": lambda client: client.tasks.start_operation("redrive", {"state": ["dead"]}, dry_run=True),
    "list_operations": lambda client: list(client.tasks.operations(limit=5)),
    "get_operation": lambda client: client.tasks.operation(ID),
    "edit_task": lambda client: client.tasks.edit(ID, run_at=THEN, timeout=None),
    "delete_task": lambda client: client.tasks.delete(ID),
    "create_schedule": lambda client: client.schedules.create("daily", "h", {"a": 1}, every=timedelta(hours=1)),
    "list_schedules": lambda client: list(client.schedules.list()),
    "get_schedule": lambda client: client.schedules.get(ID),
    "edit_schedule": lambda client: client.schedules.edit(ID, etag='"1"', payload={"a": 2}),
    "delete_schedule": lambda client: client.schedules.delete(ID),
    "pause_schedule": lambda client: client.schedules.pause(ID, until=THEN, reason="It is winter."),
    "resume_schedule": lambda client: client.schedules.resume(ID),
    "trigger_schedule": lambda client: client.schedules.trigger(ID),
    "backfill_schedule": lambda client: client.schedules.backfill(ID, THEN, THEN),
    "skip_next_fire": lambda client: client.schedules.skip_next(ID),
    "list_fires": lambda client: list(client.schedules.fires(ID)),
    "preview_rule": lambda client: client.schedules.preview_rule(cron="@daily", after=THEN, count=3),
    "preview_schedule": lambda client: client.schedules.preview(ID, count=3),
    "list_queues": lambda client: client.queues.list(),
    "pause_queue": lambda client: client.queues.pause("q", until=THEN),
    "resume_queue": lambda client: client.queues.resume("q"),
    "limit_queue": lambda client: client.queues.limit("q", rate=5, concurrency=None),
    "list_executors": lambda client: client.executors.list(),
    "list_handlers": lambda client: client.handlers.list(),
    "create_notification_rule": lambda client: client.notification_rules.create(name="n", on=["dead"], email="a@b.c"),
    "list_notification_rules": lambda client: client.notification_rules.list(),
    "get_notification_rule": lambda client: client.notification_rules.get(ID),
    "replace_notification_rule": lambda client: client.notification_rules.replace(ID, name="n", on=["dead"]),
    "delete_notification_rule": lambda client: client.notification_rules.delete(ID),
    "healthz": lambda client: client.health.alive(),
    "readyz": lambda client: client.health.ready(),
    "metrics": lambda client: client.health.metrics(),
}

FIELDS = {
    "TaskSubmission": options.NewTask,
    "TaskPatch": options.TaskChanges,
    "Backoff": options.Backoff,
    "Spec": options.Spec,
    "SchedulePatch": options.ScheduleChanges,
    "RulePreview": options.RulePreview,
    "QueueLimits": options.QueueLimits,
    "NotificationRule": options.NotificationRule,
}
"""The bodies of the API and what stands for them in the client. A field that is missing goes into `options.py`."""

ANSWERS: dict[str, type[BaseModel]] = {
    name: getattr(models, name)
    for name in (
        "Task", "TaskSummary", "ItemProblem", "Attempt", "Progress", "LogLine", "LogPage", "DeadLetters", "Operation",
         "Explanation", "Gate", "Schedule", "ScheduleSummary", "Fire",
        "Fired", "Preview", "Nominal", "Queue", "QueueSettings", "Executor", "Verdict",
        "Handler", "StoredRule",
    )
}  # fmt: skip
"""The answers of the API and what stands for them in the client. A field that is missing goes into `models.py`."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = GatewaySettings(
        database_url=SecretStr("postgresql://nowhere/x"),
        redis_url=SecretStr("redis://nowhere/0"),
        keys=SecretStr("k1:" + "A" * 43),
    )
    return create_app(settings).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            yield path, method.upper(), call


def _sent(use: Use) -> httpx2.Request:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(204)

    client = Client("http://gateway", "tw_x", transport=httpx2.MockTransport(answer))
    with client, suppress(UnexpectedAnswer):  # nothing was answered; what matters is what was asked
        use(client)
    [request] = asked
    return request


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def test_every_operation_is_covered_and_no_other(document: dict[str, Any]) -> None:
    there = {call["operationId"] for _, _, call in _operations(document)}

    assert [HOW.format(name) for name in sorted(there - CALLS.keys())] == []
    assert CALLS.keys() - there == set(), "these are operations of the gateway no more"


def test_what_the_client_sends_is_what_the_document_says(document: dict[str, Any]) -> None:
    for path, method, call in _operations(document):
        name = call["operationId"]
        request = _sent(CALLS[name])
        declared = {each["name"]: each for each in call.get("parameters", ())}
        body = call.get("requestBody")

        assert request.method == method, name
        assert re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(path)), request.url.path), name
        assert set(request.url.params) <= declared.keys(), name
        assert ("Idempotency-Key" in request.headers) == ("Idempotency-Key" in declared), name
        assert "If-Match" not in request.headers or "If-Match" in declared, name
        assert bool(request.content) == bool(body), name
        if body:
            schema = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            sent = httpx2.Response(200, content=request.content).json()
            assert sent.keys() <= _schema(document, schema)["properties"].keys(), name


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_that_may_be_sent_is_an_option(document: dict[str, Any], name: str) -> None:
    assert get_type_hints(FIELDS[name]).keys() == _schema(document, name)["properties"].keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_every_field_of_an_answer_is_a_field_of_its_model(document: dict[str, Any], name: str) -> None:
    assert _schema(document, name)["properties"].keys() <= ANSWERS[name].model_fields.keys()


def test_a_filter_is_there_for_every_parameter_of_the_list(document: dict[str, Any]) -> None:
    for path, filters in (("/v1/tasks", options.TaskFilter), ("/v1/schedules", options.ScheduleFilter)):
        parameters = {each["name"] for each in document["paths"][path]["get"]["parameters"]}
        assert get_type_hints(filters).keys() == parameters - {"cursor"}, path


def _surface(module: Any, base: type[Any]) -> dict[str, set[str]]:
    found = {
        name.removeprefix("Async"): kind
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base) and kind is not base
    }
    return {name: {each for each in vars(kind) if not each.startswith("_")} for name, kind in found.items()}


def test_both_clients_have_the_same_surface() -> None:
    blocking = _surface(resources, Resource)

    assert blocking == _surface(async_resources, AsyncResource)
    assert {"Tasks", "Schedules", "Queues"} <= blocking.keys()


def test_a_method_has_the_arguments_and_the_words_of_its_operation() -> None:
    with Client("http://gateway", "tw_x") as client:
        method = client.tasks.get

    assert list(inspect.signature(method).parameters) == ["task_id", "wait"]
    assert (inspect.getdoc(method) or "").startswith("Read a task;")


def test_a_time_without_a_zone_is_refused_before_anything_is_sent() -> None:
    with Client("http://gateway", "tw_x") as client, pytest.raises(ValueError, match="time zone"):
        client.submit("h", run_at=THEN.replace(tzinfo=None))


def test_durations_times_ids_and_payloads_go_over_the_wire_as_the_api_wants_them() -> None:
    sent = httpx2.Response(200, content=_sent(CALLS["submit_task"]).content).json()

    assert sent == {
        "handler": "reports.daily",
        "payload": {"at": "2026-12-01T09:00:00Z"},
        "run_at": "2026-12-01T09:00:00Z",
        "expires_at": "2026-12-01T09:00:00Z",
        "timeout": 60.0,
        "backoff": {"initial": 2.0},
        "depends_on": [str(ID), str(ID)],
    }


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_fake_serves_or_refuses_every_operation(document: dict[str, Any], name: str) -> None:
    """A new one: a function of its name in `testing`, or an honest refusal, in `testing/routes.py`."""
    [(path, method)] = [(path, method) for path, method, call in _operations(document) if call["operationId"] == name]
    address = re.sub(r"\{\w+\}", str(ID), path)

    assert any(each == method and re.fullmatch(route, address) for each, route, _ in ROUTES)
    with FakeTidewheel().client() as client:
        try:
            CALLS[name](client)
        except ApiError as error:
            # None of the ids leads anywhere, and some tasks wait for parents that are not there.
            assert error.code in {"not_found", "invalid_request", "not_faked"}  # noqa: PT017 - it need not be raised
            assert re.fullmatch(r"[A-Z].*\.", error.detail)  # noqa: PT017 - as above
