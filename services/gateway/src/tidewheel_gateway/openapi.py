"""The OpenAPI document: what FastAPI derives, with the bodies that the routes read by themselves, and our problems."""

from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from tidewheel_common.core.submission import BatchSubmission, TaskSubmission
from tidewheel_gateway.examples import PROBLEM, STORED_SCHEDULE, STORED_TASK
from tidewheel_gateway.routes.actions import TaskPatch, TaskRedrive
from tidewheel_gateway.routes.bulk import OperationSubmission
from tidewheel_gateway.routes.fires import BackfillRange
from tidewheel_gateway.routes.notification_rules import NotificationRule
from tidewheel_gateway.routes.preview import RulePreview
from tidewheel_gateway.routes.queues import QueueLimits, QueuePause
from tidewheel_gateway.schedule import SchedulePatch, ScheduleSubmission

TITLE: Final = "Tidewheel"

_DESCRIPTION: Final = """\
Hand over a task, and Tidewheel runs it: now, later, or again and again.

Durations are seconds. Times are RFC 3339 with an offset. Errors are `application/problem+json` (RFC 9457) with a stable
`code`, and name each wrong field by its JSON pointer. Send `Idempotency-Key` with whatever creates something: repeating
the request then does nothing twice. `X-Request-Id` comes back as it was sent; `traceparent` is stored with the task.
"""

_TAGS: Final = [
    {"name": "tasks", "description": "Submit tasks, follow them, act on them."},
    {"name": "bulk", "description": "One action on many tasks, and the dead letters."},
    {"name": "schedules", "description": "Tasks that come again and again."},
    {"name": "queues", "description": "What waits in them, and what keeps it back."},
    {"name": "handlers", "description": "What the executors can run."},
    {"name": "notifications", "description": "Who is told of what."},
    {"name": "operations", "description": "For those who run the gateway; without a key."},
]

_BODIES: Final[tuple[type[BaseModel], ...]] = (
    TaskSubmission,
    BatchSubmission,
    TaskPatch,
    TaskRedrive,
    OperationSubmission,
    ScheduleSubmission,
    SchedulePatch,
    BackfillRange,
    RulePreview,
    NotificationRule,
    QueuePause,
    QueueLimits,
)

_SCHEME: Final = {"type": "http", "scheme": "bearer", "description": "An API key: `tw_<id>_<secret>`."}


class FieldFault(BaseModel):
    """One field that is wrong; either `pointer` or `parameter` says which."""

    pointer: str | None = Field(None, description="A JSON pointer into the body.")
    parameter: str | None = Field(None, description="The name of a query parameter.")
    code: str
    detail: str


class ProblemBody(BaseModel):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(title="Problem", json_schema_extra={"examples": [PROBLEM]})

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldFault]
    request_id: str


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the app."""
    made = get_openapi(title=TITLE, version=app.version, description=_DESCRIPTION, routes=app.routes, tags=list(_TAGS))
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= {_name(name): schema for name, schema in _schemas().items()}
    # FastAPI drops every null on its way, also those that are an example's values.
    schemas["Task"]["examples"] = [STORED_TASK]
    schemas["Schedule"]["examples"] = [STORED_SCHEDULE]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"apiKey": _SCHEME}
    for path, calls in made["paths"].items():
        for call in calls.values():
            call["security"] = [{"apiKey": []}] if path.startswith("/v1") else []
            # FastAPI expects a 422 wherever there is an id; ours does not match the route then, which is a 404.
            if "application/json" in call["responses"].get("422", {}).get("content", {}):
                del call["responses"]["422"]
    return made


def _schemas() -> dict[str, Any]:
    mode: Literal["validation"] = "validation"
    everything: tuple[type[BaseModel], ...] = (*_BODIES, ProblemBody)
    _, definitions = models_json_schema(
        [(model, mode) for model in everything], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Any] = definitions["$defs"]
    return found


def _name(name: str) -> str:
    return "Problem" if name == ProblemBody.__name__ else name
