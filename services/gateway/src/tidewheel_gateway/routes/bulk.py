"""One action on many tasks, and the dead letters that it is mostly for."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError, from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fields import PRIORITIES, PRIORITY_WORDS, PriorityWord, Strict
from tidewheel_common.core.validation import validate
from tidewheel_gateway import declare, operation_queries, queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.bulk import ActionWord, meant
from tidewheel_gateway.idempotency import REPLAYED, read_key
from tidewheel_gateway.keyed import keep_key
from tidewheel_gateway.listing import TaskQuery, count_tasks
from tidewheel_gateway.operation_queries import OperationRow
from tidewheel_gateway.paging import PageQuery
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import invalid, not_found

router = declare.router("bulk")

_OPERATIONS: Final = b"operations"
_DEAD_LETTERS: Final = b"dead letters"

_EXAMPLE: dict[str, Any] = {
    "action": "redrive",
    "filter": {"state": ["dead"], "handler": "reports.daily"},
    "dry_run": True,
}


class OperationSubmission(Strict):
    """An action on all tasks that a filter means and that are there now."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    action: ActionWord
    filter: TaskQuery = Field(description="As of `GET /v1/tasks`; `{}` means every task that the action can change.")
    priority: PriorityWord | None = Field(None, description="Only to reprioritise.")
    dry_run: bool = Field(False, strict=True, description="Only count.")

    @model_validator(mode="after")
    def _priority_where_it_counts(self) -> Self:
        if (self.priority is None) == (self.action == "reprioritise"):
            raise PydanticCustomError("priority", "To reprioritise takes a `priority`, and nothing else does")
        return self


class Operation(BaseModel):
    """A bulk operation and how far it is."""

    id: UUID
    action: ActionWord
    filter: dict[str, Any]
    priority: PriorityWord | None
    dry_run: bool
    counted: int = Field(description="How many tasks it meant when it was accepted.")
    done: int = Field(description="How many it has changed.")
    failed: int = Field(description="How many it could not change: they had gone on, or their unique key is taken.")
    created_at: datetime
    finished_at: datetime | None = Field(description="Null while it is being worked off.")


class OperationPage(BaseModel):
    """One page of bulk operations, the newest first."""

    data: list[Operation]
    next_cursor: str | None


class DeadLetters(BaseModel):
    """Dead tasks that failed alike."""

    handler: str
    error_type: str | None
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    latest_task_id: UUID


class DeadLetterGroups(BaseModel):
    """One page of the dead letters, the most frequent first."""

    data: list[DeadLetters]
    next_cursor: str | None = Field(description="Counts are those of the moment: between two pages they may change.")


@router.post(
    "/v1/operations",
    status_code=202,
    response_class=Response,
    openapi_extra=declare.takes("OperationSubmission", keyed=True),
    responses={
        202: {"model": Operation, "description": "It is being worked off.", "headers": declare.located("operation")},
        **declare.answers(409, body=True),
    },
)
async def start_operation(request: Request) -> Response:
    """Cancel, redrive, delete or reprioritise all tasks that a filter means; with `dry_run`, only count them."""
    parts, tenant = parts_of(request), tenant_of(request)
    key = read_key(request.headers)
    body, document = await read_json(request)
    asked = validate(OperationSubmission, document, nul=may_hold_nul(body))
    if isinstance(asked, list):
        raise invalid(asked)
    wanted = meant(asked.action, asked.filter)
    operation_id, stored = parts.new_id(), None
    async with parts.engine.begin() as connection:
        if key is not None:
            now = await queries.clock_read(connection)
            stored = await keep_key(connection, request, body, key, made=operation_id, now=now)
        if stored is None:
            counted = 0 if wanted is None else await count_tasks(connection, tenant, wanted)
            await operation_queries.operation_insert(connection, _row(operation_id, tenant, asked, counted))
    if stored is not None:
        return await _answer(parts, tenant, stored.task_ids[0] or operation_id, status=202, headers=REPLAYED)
    parts.bulk.wake.set()
    return await _answer(parts, tenant, operation_id, status=202)


def _row(operation_id: UUID, tenant: Tenant, asked: OperationSubmission, counted: int) -> OperationRow:
    return OperationRow(
        id=operation_id,
        tenant_id=tenant,
        action=asked.action,
        filter=asked.filter.model_dump_json(exclude_defaults=True),
        priority=None if asked.priority is None else PRIORITIES[asked.priority],
        dry_run=asked.dry_run,
        counted=counted,
    )


@router.get(
    "/v1/operations",
    response_class=Response,
    responses={200: {"model": OperationPage, "description": "One page."}, **declare.answers(400, 422)},
)
async def list_operations(request: Request, wanted: Annotated[PageQuery, Query()]) -> Response:
    """List bulk operations, the newest first."""
    parts, tenant = parts_of(request), tenant_of(request)
    scope = tenant.bytes + _OPERATIONS
    below = None if wanted.cursor is None else parts.cursors.read(wanted.cursor, scope)
    async with parts.engine.connect() as connection:
        rows = await operation_queries.operations_list(connection, tenant, below=below, count=wanted.limit + 1)
    shown = rows[: wanted.limit]
    following = parts.cursors.write(shown[-1]["id"], scope) if len(rows) > wanted.limit else None
    return Response(view.page([_shown(row) for row in shown], following), media_type=view.JSON)


@router.get(
    "/v1/operations/{operation_id:uuid}",
    response_class=Response,
    responses={200: {"model": Operation, "description": "How far it is."}, **declare.answers(404)},
)
async def get_operation(request: Request, operation_id: UUID) -> Response:
    """Read how far a bulk operation is."""
    return await _answer(parts_of(request), tenant_of(request), operation_id)


@router.get(
    "/v1/dead-letters",
    response_class=Response,
    responses={200: {"model": DeadLetterGroups, "description": "One page."}, **declare.answers(400, 422)},
)
async def list_dead_letters(request: Request, wanted: Annotated[PageQuery, Query()]) -> Response:
    """Count the dead tasks by their handler, error and reason; `POST /v1/operations` redrives or deletes a group."""
    parts, tenant = parts_of(request), tenant_of(request)
    scope = tenant.bytes + _DEAD_LETTERS
    # A cursor holds an id; how many groups have been shown fits into one.
    passed = 0 if wanted.cursor is None else parts.cursors.read(wanted.cursor, scope).int
    async with parts.engine.connect() as connection:
        groups = await operation_queries.dead_letters(connection, tenant, passed=passed, count=wanted.limit + 1)
    shown = groups[: wanted.limit]
    following = parts.cursors.write(UUID(int=passed + len(shown)), scope) if len(groups) > wanted.limit else None
    return Response(view.page(shown, following), media_type=view.JSON)


async def _answer(
    parts: Parts, tenant: Tenant, operation_id: UUID, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    async with parts.engine.connect() as connection:
        row = await operation_queries.operation_find(connection, tenant, operation_id)
    if row is None:
        raise not_found()
    located = {"Location": f"/v1/operations/{operation_id}"} if status == HTTPStatus.ACCEPTED else {}
    all_headers = {**located, **(headers or {})}
    return Response(to_json(_shown(row)), status_code=status, headers=all_headers, media_type=view.JSON)


def _shown(row: Mapping[str, Any]) -> view.Json:
    priority = None if row["priority"] is None else PRIORITY_WORDS[row["priority"]]
    return {**row, "filter": from_json(row["filter"]), "priority": priority}
