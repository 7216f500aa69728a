"""What a handler's annotations say to those who submit tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from celery import Celery
from pydantic import BaseModel, Field

from tidewheel_executor.signature import arguments_of, read_signature


def _use(*_: object) -> None:
    """Read arguments, so that no linter asks why they are there."""


@pytest.fixture
def app() -> Celery:
    return Celery("signatures", set_as_current=False)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Address(BaseModel):
    street: str
    zip_code: str | None = None


@dataclass
class Point:
    x: float
    y: float


class Opaque:
    """Nothing that JSON could say."""


def test_in_an_app_that_was_made_durable_arguments_have_names_and_no_types() -> None:
    app = Celery("durable", task_cls="tidewheel_client.celery:DurableTask", set_as_current=False)
    strict = app.task(name="t.strict", shared=False)(typed)
    loose = app.task(name="t.loose", shared=False, typing=False)(typed)

    said = json.loads(read_signature(strict).arguments)
    assert said["required"] == ["user_id", "size", "to", "also", "where"]
    assert (said["properties"]["user_id"], said["additionalProperties"]) == ({}, False)
    assert json.loads(read_signature(loose).arguments) == {"type": "object"}


def typed(
    user_id: int,
    size: Size,
    to: Address,
    also: list[Address],
    where: Point,
    *,
    at: datetime | None = None,
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    mode: Literal["fast", "safe"] = "safe",
) -> None:
    _use(user_id, size, to, also, where, at, share, mode)


def test_annotations_become_a_schema() -> None:
    schema = arguments_of(typed)

    assert schema["type"] == "object"
    assert schema["required"] == ["user_id", "size", "to", "also", "where"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["user_id"] == {"type": "integer"}
    assert properties["to"] == {"$ref": "#/$defs/Address"}
    assert properties["also"] == {"type": "array", "items": {"$ref": "#/$defs/Address"}}
    assert properties["share"] == {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
    assert properties["mode"] == {"type": "string", "enum": ["fast", "safe"], "default": "safe"}
    assert schema["$defs"]["Address"]["required"] == ["street"]
    assert schema["$defs"]["Size"]["enum"] == ["small", "large"]
    json.dumps(schema)


def bare(first: Any, second: Any = Opaque()) -> None:  # noqa: B008 -- it is what a user may write
    _use(first, second)


def unknown(first: Missing, second: int) -> None:  # type: ignore[name-defined]  # noqa: F821 -- as above
    _use(first, second)


def opaque(first: Opaque, *rest: int, second: int = 1, **others: str) -> None:
    _use(first, rest, second, others)


@pytest.mark.parametrize(
    ("function", "properties", "required", "is_open"),
    [
        (bare, {"first": {}, "second": {}}, ["first"], False),
        (unknown, {"first": {}, "second": {}}, ["first", "second"], False),
        (opaque, {"first": {}, "second": {"type": "integer", "default": 1}}, ["first"], True),
        (lambda: None, {}, [], False),
    ],
)
def test_what_says_nothing_is_left_open(
    function: Any, properties: dict[str, Any], required: list[str], is_open: bool
) -> None:
    assert arguments_of(function) == {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": is_open,
    }


@pytest.mark.parametrize("options", [{}, {"autoretry_for": (OSError,)}])
def test_a_bound_handler_does_not_publish_its_self(app: Celery, options: dict[str, Any]) -> None:
    app.conf.task_routes = {"signatures.*": {"queue": "reports"}}

    @app.task(name="signatures.bound", bind=True, shared=False, **options)
    def bound(self: Any, user_id: int) -> None:
        """Make a report."""
        _use(self, user_id)

    signature = read_signature(bound)

    assert (signature.name, signature.queue, signature.description) == ("signatures.bound", "reports", "Make a report.")
    assert json.loads(signature.arguments)["properties"] == {"user_id": {"type": "integer"}}


def test_the_digest_changes_with_what_is_said(app: Celery) -> None:
    @app.task(name="signatures.one", shared=False)
    def one(a: int) -> None:
        assert a

    @app.task(name="signatures.two", shared=False)
    def two(a: str) -> None:
        assert a

    assert read_signature(one).digest == read_signature(one).digest
    assert read_signature(one).digest != read_signature(two).digest
