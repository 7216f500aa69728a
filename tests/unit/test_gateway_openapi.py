"""The OpenAPI document: sound, complete, and every example is what it is an example of."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel, SecretStr

from tidewheel_common.core.submission import BatchSubmission, TaskSubmission
from tidewheel_gateway import examples, view
from tidewheel_gateway.app import create_app
from tidewheel_gateway.openapi import ProblemBody
from tidewheel_gateway.problems import CATALOG
from tidewheel_gateway.routes.actions import TaskPatch
from tidewheel_gateway.schedule import CLEARABLE, SchedulePatch, ScheduleSubmission
from tidewheel_gateway.settings import GatewaySettings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(
        GatewaySettings(
            database_url=SecretStr("postgresql://nowhere/x"),
            redis_url=SecretStr("redis://nowhere/0"),
            keys=SecretStr("k1:" + "A" * 43),
        )
    )


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def _calls(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            yield path, method, call


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPI.model_validate(document)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert "#/components/schemas/TaskSubmission" in references
    for reference in references:
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in document["components"][kind], reference


def test_operation_ids_are_stable_and_unique(document: dict[str, Any]) -> None:
    names = [call["operationId"] for _, _, call in _calls(document)]

    assert len(set(names)) == len(names)
    assert set(names) == {
        "submit_task", "submit_tasks", "list_of_tasks", "get_task", "list_attempts", "explain_task", "cancel_task",
        "redrive_task", "read_logs", "start_operation", "list_operations", "get_operation", "list_dead_letters",
        "edit_task", "delete_task", "create_schedule", "list_schedules", "get_schedule",
        "edit_schedule", "pause_schedule", "resume_schedule", "delete_schedule", "list_fires",
        "trigger_schedule", "backfill_schedule", "skip_next_fire", "preview_rule", "preview_schedule",
        "list_queues", "pause_queue", "resume_queue", "limit_queue", "list_executors", "list_handlers",
        "create_notification_rule", "list_notification_rules", "get_notification_rule", "replace_notification_rule",
        "delete_notification_rule", "healthz", "readyz", "metrics",
    }  # fmt: skip


def test_every_call_of_the_api_needs_a_key_and_declares_its_refusals(document: dict[str, Any]) -> None:
    for path, method, call in _calls(document):
        assert call["security"] == ([{"apiKey": []}] if path.startswith("/v1") else []), path
        if not path.startswith("/v1"):
            continue
        responses = call["responses"]
        assert {"401", "500", "503"} <= responses.keys(), (path, method)
        assert ("requestBody" in call) == ("413" in responses), (path, method)
        assert ("{" in path) == ("404" in responses), (path, method)
        for status, response in responses.items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def test_what_creates_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    keyed = {
        call["operationId"]
        for _, _, call in _calls(document)
        if any(parameter["name"] == "Idempotency-Key" for parameter in call.get("parameters", []))
    }

    assert keyed == {
        *("submit_task", "submit_tasks", "create_schedule", "trigger_schedule", "skip_next_fire"),
        *("start_operation", "create_notification_rule"),
    }


MODELS: list[type[BaseModel]] = [
    TaskSubmission, BatchSubmission, TaskPatch, ScheduleSubmission, SchedulePatch,
    view.Task, view.Schedule, ProblemBody,
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_each_example_is_what_it_is_an_example_of(model: type[BaseModel], document: dict[str, Any]) -> None:
    shown = document["components"]["schemas"]["Problem" if model is ProblemBody else model.__name__]["examples"]

    assert shown
    for example in shown:
        model.model_validate(example)
        if model in (view.Task, view.Schedule):
            assert example.keys() == model.model_fields.keys()
    if model is BatchSubmission:
        for task in shown[0]["tasks"]:
            TaskSubmission.model_validate(task)


def test_the_example_of_a_problem_is_one_of_ours() -> None:
    code = examples.PROBLEM["code"]

    assert (examples.PROBLEM["status"], examples.PROBLEM["title"]) == CATALOG[code]
    assert examples.PROBLEM["type"] == f"urn:tidewheel:problem:{code}"


def test_no_call_hides_another(app: FastAPI, document: dict[str, Any]) -> None:
    served = {(path, method) for path, method, _ in _calls(document)}

    routed = {
        (route.path_format, method.lower())
        for route in app.routes
        for method in getattr(route, "methods", ())
        if getattr(route, "include_in_schema", False) and hasattr(route, "path_format")
    }
    assert routed == served


@pytest.mark.parametrize(("model", "clearable"), [(TaskPatch, {"timeout", "expires_at"}), (SchedulePatch, CLEARABLE)])
def test_a_patch_takes_a_null_only_where_one_clears_the_field(model: type[BaseModel], clearable: set[str]) -> None:
    fields = model.model_json_schema()["properties"]

    assert {name for name, field in fields.items() if {"type": "null"} in field.get("anyOf", ())} == clearable
    assert [name for name, field in fields.items() if "default" in field] == []
