"""Calls that change a task: cancel, redrive, edit, delete. Each is one guarded statement; the row decides who wins."""

from typing import Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fields import (
    PRIORITIES,
    Attempts,
    Duration,
    Instant,
    Payload,
    PriorityWord,
    Strict,
    Tags,
    Timeout,
)
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.reference import check_references
from tidewheel_common.core.submission import untimely_times
from tidewheel_common.core.validation import encode_payload, given, patch_config, validate
from tidewheel_common.crypto.sealed import Subject
from tidewheel_gateway import declare, queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import Problem, invalid, not_found
from tidewheel_gateway.records import TaskRecord, UniqueTaken
from tidewheel_gateway.routes.tasks import answer_task

router = declare.router("tasks")

_CLEARABLE: Final = frozenset({"timeout", "expires_at"})


class TaskPatch(Strict):
    """What may be changed of a task that waits or is ready; what is left out stays as it is."""

    model_config = patch_config({"priority": "high", "run_at": "2026-12-01T10:00:00+01:00"}, clearable=_CLEARABLE)

    run_at: Instant | None = None
    priority: PriorityWord | None = None
    expires_at: Instant | None = None
    max_attempts: Attempts | None = None
    timeout: Timeout | None = None
    removal_delay: Duration | None = None
    tags: Tags | None = None


class TaskRedrive(Strict):
    """What may be changed of a task that is redriven."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"payload": {"user_id": 43}}]})

    payload: Payload | None = Field(None, description="Instead of the payload that it failed with.")


async def _new_payload(request: Request) -> dict[str, Any] | None:
    if "content-type" not in request.headers:
        return None  # the usual redrive has no body
    body, document = await read_json(request)
    asked = validate(TaskRedrive, document, nul=may_hold_nul(body))
    if isinstance(asked, list):
        raise invalid(asked)
    return asked.payload


async def _sealed_payload(parts: Parts, tenant: Tenant, task_id: UUID, payload: dict[str, Any]) -> bytes:
    """Seal another payload for a task, if it is good for that."""
    encoded = encode_payload(payload)
    if isinstance(encoded, list):
        raise invalid(encoded)
    async with parts.engine.connect() as connection:
        found = await queries.task_fitting(connection, tenant, task_id)
    if found is None:
        raise not_found()
    handler, parents = found
    faults = check_references(payload, parents)
    if faults := faults or parts.signatures.faults(handler, payload, follows=parents > 0):
        raise invalid(faults)
    return parts.sealer.seal(encoded, tenant=tenant, subject=Subject.task(task_id), field="payload")


async def _existing(parts: Parts, tenant: Tenant, task_id: UUID) -> TaskRecord:
    async with parts.engine.connect() as connection:
        record = await queries.task_find(connection, tenant, task_id)
    if record is None:
        raise not_found()
    return record


@router.post(
    "/v1/tasks/{task_id:uuid}:cancel",
    response_class=Response,
    responses={
        200: {"model": view.Task, "description": "It is cancelled."},
        202: {"model": view.Task, "description": "It is running, and was asked to stop."},
        **declare.answers(404, 409),
    },
)
async def cancel_task(request: Request, task_id: UUID) -> Response:
    """Cancel a task.

    One that runs is asked to stop: a coroutine is cancelled, a `def` handler interrupted. If it goes on all the same,
    its process is killed after a while (`TIDEWHEEL_CANCEL_GRACE` of the executor). What succeeds before stays so.
    """
    parts, tenant = parts_of(request), tenant_of(request)
    async with parts.engine.connect() as connection:
        state = (await queries.tasks_cancel(connection, tenant, [task_id])).get(task_id)
    if state is State.CANCELLED:
        parts.wakeups.final.wake(str(task_id))
        parts.wakeups.scheduler.wake()  # it tells the dependants
    elif state is State.RUNNING:
        parts.wakeups.executor.wake()
    elif state is None:
        found = await _existing(parts, tenant, task_id)
        if found.state is not State.CANCELLED:
            raise Problem("already_final", f"The task is already `{found.state}`; there is nothing to cancel.")
    return await answer_task(parts, tenant, task_id, status=202 if state is State.RUNNING else 200)


@router.post(
    "/v1/tasks/{task_id:uuid}:redrive",
    response_class=Response,
    openapi_extra=declare.takes("TaskRedrive", required=False),
    responses={
        200: {"model": view.Task, "description": "It is ready again."},
        **declare.answers(404, 409, body=True),
    },
)
async def redrive_task(request: Request, task_id: UUID) -> Response:
    """Give a dead, cancelled or expired task a fresh start, with another payload if you send one."""
    parts, tenant = parts_of(request), tenant_of(request)
    payload = await _new_payload(request)
    sealed = None if payload is None else await _sealed_payload(parts, tenant, task_id, payload)
    async with parts.engine.connect() as connection:
        moved = await queries.tasks_redrive(connection, tenant, [task_id], payload=sealed)
    if isinstance(moved, UniqueTaken):
        raise Problem(
            "unique_key_taken",
            "Another task that is not final has the same `unique_key`. Redrive this one when that one is final.",
        )
    if not moved:
        found = await _existing(parts, tenant, task_id)
        raise Problem(
            "not_redrivable",
            f"The task is `{found.state}`; only dead, cancelled and expired tasks can be redriven.",
        )
    parts.wakeups.dispatcher.wake()
    return await answer_task(parts, tenant, task_id)


@router.patch(
    "/v1/tasks/{task_id:uuid}",
    response_class=Response,
    openapi_extra=declare.takes("TaskPatch"),
    responses={
        200: {"model": view.Task, "description": "The task as it is now."},
        **declare.answers(404, 409, body=True),
    },
)
async def edit_task(request: Request, task_id: UUID) -> Response:
    """Change a task that waits or is ready. Null clears `timeout` and `expires_at`."""
    parts, tenant = parts_of(request), tenant_of(request)
    body, document = await read_json(request)
    patch = validate(TaskPatch, document, nul=may_hold_nul(body))
    changes = patch if isinstance(patch, list) else given(patch, clearable=_CLEARABLE)
    if isinstance(changes, list):
        raise invalid(changes)
    found = await _existing(parts, tenant, task_id)
    _check_times(parts, found, changes)
    async with parts.engine.connect() as connection:
        state = await queries.task_edit(connection, tenant, task_id, _columns(changes))
    if state is None:
        found = await _existing(parts, tenant, task_id)
        raise Problem("not_editable", f"The task is `{found.state}`; only waiting and ready tasks can be changed.")
    (parts.wakeups.dispatcher if state is State.READY else parts.wakeups.scheduler).wake()
    return await answer_task(parts, tenant, task_id)


def _check_times(parts: Parts, found: TaskRecord, changes: dict[str, Any]) -> None:
    if not {"run_at", "expires_at"} & changes.keys():
        return
    run_at = changes.get("run_at")
    expires_at = changes.get("expires_at", found.expires_at)
    faults = untimely_times(run_at, run_at or found.run_at, expires_at, parts.clock())
    if faults:
        raise invalid(faults)


def _columns(changes: dict[str, Any]) -> dict[str, Any]:
    columns = dict(changes)
    if "priority" in columns:
        columns["priority"] = PRIORITIES[columns["priority"]]
    if "tags" in columns:
        columns["tags"] = list(columns["tags"])
    return columns


@router.delete(
    "/v1/tasks/{task_id:uuid}",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "The reaper deletes it now."}, **declare.answers(404, 409)},
)
async def delete_task(request: Request, task_id: UUID) -> Response:
    """Delete a final task before its removal delay has passed."""
    parts, tenant = parts_of(request), tenant_of(request)
    async with parts.engine.connect() as connection:
        state = (await queries.tasks_discard(connection, tenant, [task_id])).get(task_id)
    if state is None:
        found = await _existing(parts, tenant, task_id)
        raise Problem("not_final", f"The task is `{found.state}`; cancel it first, or wait until it is final.")
    parts.wakeups.reaper.wake()
    return Response(status_code=204)
