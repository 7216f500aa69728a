"""What a handler says of itself to those who submit tasks: its arguments as JSON Schema, read from its annotations."""

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from inspect import Parameter
from typing import Any

from celery import Celery, Task
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from tidewheel_executor.executor import handlers_of
from tidewheel_executor.retries import keeps_to_celery

LONGEST_DESCRIPTION = 4_000
"""Characters that are published of a docstring."""

Schema = dict[str, Any]

ANYTHING: Schema = {}
"""The schema that every value fits."""

_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is published of a handler.

    Attributes:
        name: what tasks call it by.
        queue: the queue that it declares for itself.
        description: its docstring.
        arguments: the JSON Schema of its payload, as JSON.
    """

    name: str
    queue: str | None
    description: str
    arguments: str

    @property
    def digest(self) -> bytes:
        """The same for the same words, whichever executor says them."""
        return sha256(json.dumps([self.queue, self.description, self.arguments]).encode()).digest()


class _Silent(GenerateJsonSchema):
    """Leaves out what JSON cannot say, without a warning: the schema is open there."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing."""


def signatures_of(app: Celery) -> list[Signature]:
    """Return what an app's handlers say of themselves, by name."""
    return [read_signature(app.tasks[name]) for name in handlers_of(app)]


def read_signature(task: "Task[Any, Any]") -> Signature:
    """Return what a handler says of itself; what it does not say is left open."""
    return Signature(
        name=str(task.name),
        queue=_queue_of(task),
        description=(inspect.getdoc(task.run) or "").replace("\0", "")[:LONGEST_DESCRIPTION],
        arguments=json.dumps(_arguments_of(task)),
    )


def _queue_of(task: "Task[Any, Any]") -> str | None:
    """Return the queue that an app's `task_routes` or the task itself names; None when neither does."""
    router: Any = task.app.amqp.router  # declared to take the class of a task, and given the task by Celery itself
    try:
        route = router.lookup_route(task.name, (), {}, {}, task) or {}
    except Exception:  # noqa: BLE001 -- a route may be a user's function
        route = {}
    queue = route.get("queue") or getattr(task, "queue", None)
    return queue if isinstance(queue, str) else None


def _arguments_of(task: "Task[Any, Any]") -> Schema:
    if not keeps_to_celery(task):
        return arguments_of(task.run)
    # Celery holds nobody to annotations, and its dates and decimals are objects on the way.
    return arguments_of(task.run, typed=False) if getattr(task, "typing", True) else {"type": "object"}


def arguments_of(function: Any, *, typed: bool = True) -> Schema:
    """Return the JSON Schema of a function's keyword arguments.

    An argument without an annotation may be anything; without `typed`, every one may.
    """
    try:
        parameters = _parameters(function)
    except (TypeError, ValueError):  # written in C, and says nothing of itself
        return {"type": "object"}
    named = [parameter for parameter in parameters if parameter.kind in _BY_NAME]
    kinds = {parameter.name: parameter.annotation if typed else Parameter.empty for parameter in named}
    properties, definitions = _schemas(kinds)
    for parameter in named:
        properties[parameter.name] |= _default(parameter)
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [parameter.name for parameter in named if parameter.default is Parameter.empty],
        "additionalProperties": any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters),
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _parameters(function: Any) -> Iterable[Parameter]:
    try:
        return inspect.signature(function, eval_str=True).parameters.values()
    except Exception:  # noqa: BLE001 -- an annotation that cannot be evaluated may raise anything
        return inspect.signature(function).parameters.values()


def _schemas(annotations: Mapping[str, Any]) -> tuple[dict[str, Schema], Schema]:
    adapters = {name: adapter for name, kind in annotations.items() if (adapter := _adapter(kind)) is not None}
    made, rest = TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in adapters.items()], schema_generator=_Silent
    )
    known = {name: dict(schema) for (name, _), schema in made.items()}
    return {name: known.get(name, dict(ANYTHING)) for name in annotations}, rest.get("$defs", {})


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    """Return what makes a schema of an annotation; None where that says nothing that JSON could."""
    if annotation is Parameter.empty or isinstance(annotation, str):
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.json_schema(schema_generator=_Silent)
    except Exception:  # noqa: BLE001 -- a user's own type may raise anything
        return None
    return adapter


def _default(parameter: Parameter) -> Schema:
    if parameter.default is Parameter.empty:
        return {}
    try:
        return {"default": json.loads(json.dumps(parameter.default, allow_nan=False))}
    except (TypeError, ValueError, RecursionError):
        return {}
