"""Calls on recurring schedules."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Instant
from tidewheel_common.core.notification import ScheduleNotification, note
from tidewheel_common.core.validation import encode_payload, given, validate
from tidewheel_common.crypto.sealed import Subject
from tidewheel_gateway import declare, schedule_queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.etag import check_match, etag_of
from tidewheel_gateway.fitting import unfit, unfit_kept
from tidewheel_gateway.idempotency import REPLAYED, read_key
from tidewheel_gateway.keyed import keep_key
from tidewheel_gateway.opening import open_schedule
from tidewheel_gateway.paging import PageQuery
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import Problem, invalid, not_found
from tidewheel_gateway.records import ScheduleRecord
from tidewheel_gateway.schedule import (
    CLEARABLE,
    Name,
    Owner,
    SchedulePatch,
    ScheduleSubmission,
    Sealed,
    changed_record,
    new_record,
    paused_record,
    resumed_record,
)

_LIST: Final = b"schedules"

router = declare.router("schedules")

Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]

Change = Callable[[ScheduleRecord, datetime], ScheduleRecord | list[Fault]]


class PauseQuery(BaseModel):
    """How long a pause lasts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    until: Instant | None = Field(None, description="When it goes on by itself; without one, when it is resumed.")
    reason: Reason | None = Field(None, description="Why, for whoever finds it paused.")


class ScheduleQuery(PageQuery):
    """Which schedules are listed."""

    managed_by: Owner | None = Field(None, description="Only those that this file keeps.")
    name: Name | None = Field(None, description="Only the one of this name.")


@router.post(
    "/v1/schedules",
    status_code=201,
    response_class=Response,
    openapi_extra=declare.takes("ScheduleSubmission", keyed=True),
    responses={
        201: {"model": view.Schedule, "description": "It is kept.", "headers": declare.located("schedule")},
        **declare.answers(409, body=True),
    },
)
async def create_schedule(request: Request) -> Response:
    """Keep a recurring schedule. Its first time is the next one after now."""
    parts, tenant = parts_of(request), tenant_of(request)
    key = read_key(request.headers)
    body, document = await read_json(request)
    spec = validate(ScheduleSubmission, document, nul=may_hold_nul(body))
    payload = spec if isinstance(spec, list) else encode_payload(spec.payload)
    if isinstance(spec, list) or isinstance(payload, list):
        raise invalid(payload if isinstance(payload, list) else [])

    untenable = unfit(parts.signatures, spec.handler, spec.payload)

    def make(schedule_id: UUID, now: datetime) -> ScheduleRecord:
        sealed = _seal(parts, tenant, schedule_id, payload=payload, notify=spec.notify)
        return _sound(new_record(spec, schedule_id=schedule_id, tenant_id=tenant, sealed=sealed, now=now))

    async with parts.engine.begin() as connection:
        now, taken = await schedule_queries.schedule_moment(connection, tenant, spec.name)
        if taken and key is None:  # with a key, it may be taken by this very request
            raise _name_taken()
        record = make(parts.new_id(), now)
        stored = None
        if key is not None:
            stored = await keep_key(connection, request, body, key, made=record.id, now=now)
        if stored is None and untenable:
            raise invalid(untenable)
        if stored is None and not await schedule_queries.schedule_insert(connection, record):
            raise _name_taken()
    if stored is not None:
        record = make(stored.task_ids[0] or record.id, stored.accepted_at)
    else:
        parts.wakeups.scheduler.wake()
    headers = {"Location": f"/v1/schedules/{record.id}", **(REPLAYED if stored is not None else {})}
    return answer_schedule(parts, record, status=201, headers=headers)


@router.get(
    "/v1/schedules",
    response_class=Response,
    responses={200: {"model": view.SchedulePage, "description": "One page."}, **declare.answers(400, 422)},
)
async def list_schedules(request: Request, wanted: Annotated[ScheduleQuery, Query()]) -> Response:
    """List schedules, the newest first."""
    parts, tenant = parts_of(request), tenant_of(request)
    scope = tenant.bytes + _LIST
    below = None if wanted.cursor is None else parts.cursors.read(wanted.cursor, scope)
    async with parts.engine.connect() as connection:
        records = await schedule_queries.schedules_list(
            connection,
            tenant,
            below=below,
            count=wanted.limit + 1,
            managed_by=wanted.managed_by,
            name=wanted.name,
        )
    shown = records[: wanted.limit]
    following = parts.cursors.write(shown[-1].id, scope) if len(records) > wanted.limit else None
    return Response(view.page([view.schedule_summary(each) for each in shown], following), media_type=view.JSON)


@router.get(
    "/v1/schedules/{schedule_id:uuid}",
    response_class=Response,
    responses={
        200: {"model": view.Schedule, "description": "The schedule.", "headers": declare.tagged()},
        **declare.answers(404),
    },
)
async def get_schedule(request: Request, schedule_id: UUID) -> Response:
    """Read a schedule with its payload."""
    parts = parts_of(request)
    async with parts.engine.connect() as connection:
        found = await schedule_queries.schedule_find(connection, tenant_of(request), schedule_id)
    if found is None:
        raise not_found()
    return answer_schedule(parts, found[0])


@router.patch(
    "/v1/schedules/{schedule_id:uuid}",
    response_class=Response,
    openapi_extra=declare.takes("SchedulePatch", matched=True),
    responses={
        200: {"model": view.Schedule, "description": "The schedule as it is now.", "headers": declare.tagged()},
        **declare.answers(404, 409, 412, body=True),
    },
)
async def edit_schedule(request: Request, schedule_id: UUID) -> Response:
    """Change a schedule. One of `every`, `cron` and `specs` clears the others; tasks that it fired stay as they are."""
    parts, tenant = parts_of(request), tenant_of(request)
    body, document = await read_json(request)
    patch = validate(SchedulePatch, document, nul=may_hold_nul(body))
    changes = patch if isinstance(patch, list) else given(patch, clearable=CLEARABLE)
    if isinstance(changes, list):
        raise invalid(changes)
    payload = encode_payload(changes["payload"]) if "payload" in changes else None
    if isinstance(payload, list):
        raise invalid(payload)
    sealed = _seal(parts, tenant, schedule_id, payload=payload, notify=changes.get("notify", ()))

    def change(record: ScheduleRecord, now: datetime) -> ScheduleRecord | list[Fault]:
        changed = changed_record(record, changes, sealed=sealed, now=now)
        if isinstance(changed, list):
            return changed
        if "payload" in changes:
            return unfit(parts.signatures, changed.handler, changes["payload"]) or changed
        if "handler" in changes:
            return unfit_kept(parts.signatures, changed, open_schedule(parts.sealer, record)) or changed
        return changed

    return await change_schedule(request, schedule_id, change)


@router.post(
    "/v1/schedules/{schedule_id:uuid}:pause",
    response_class=Response,
    openapi_extra=declare.takes(matched=True),
    responses={200: {"model": view.Schedule, "description": "It fires no more."}, **declare.answers(404, 412, 422)},
)
async def pause_schedule(request: Request, schedule_id: UUID, wanted: Annotated[PauseQuery, Query()]) -> Response:
    """Stop a schedule from firing, until it is resumed or a time has come. What it misses stays missed."""
    return await change_schedule(
        request,
        schedule_id,
        lambda record, now: paused_record(record, until=wanted.until, reason=wanted.reason, now=now),
    )


@router.post(
    "/v1/schedules/{schedule_id:uuid}:resume",
    response_class=Response,
    openapi_extra=declare.takes(matched=True),
    responses={200: {"model": view.Schedule, "description": "It fires again."}, **declare.answers(404, 409, 412, 422)},
)
async def resume_schedule(request: Request, schedule_id: UUID) -> Response:
    """Let a schedule fire again, from its next time on; what it missed stays missed."""
    return await change_schedule(request, schedule_id, lambda record, now: resumed_record(record, now=now))


async def change_schedule(request: Request, schedule_id: UUID, change: Change) -> Response:
    """Change a schedule under a lock, unless it is not what the caller has read any more."""
    parts = parts_of(request)
    async with parts.engine.begin() as connection:
        found = await schedule_queries.schedule_lock(connection, tenant_of(request), schedule_id)
        if found is None:
            raise not_found()
        record, now = found
        check_match(request, record)
        changed = _sound(change(record, now))
        if changed != record and not await schedule_queries.schedule_update(connection, changed):
            raise _name_taken()
    parts.wakeups.scheduler.wake()
    return answer_schedule(parts, changed)


@router.delete(
    "/v1/schedules/{schedule_id:uuid}",
    status_code=204,
    response_class=Response,
    openapi_extra=declare.takes(matched=True),
    responses={204: {"description": "It is gone."}, **declare.answers(404, 412)},
)
async def delete_schedule(request: Request, schedule_id: UUID) -> Response:
    """Delete a schedule. Tasks that it fired go on."""
    tenant = tenant_of(request)
    async with parts_of(request).engine.begin() as connection:
        found = await schedule_queries.schedule_lock(connection, tenant, schedule_id)
        if found is None:
            raise not_found()
        check_match(request, found[0])
        await schedule_queries.schedule_delete(connection, tenant, schedule_id)
    return Response(status_code=204)


def _seal(
    parts: Parts,
    tenant: Tenant,
    schedule_id: UUID,
    *,
    payload: bytes | None,
    notify: Sequence[ScheduleNotification],
) -> Sealed:
    seal = partial(parts.sealer.seal, tenant=tenant, subject=Subject.schedule(schedule_id))
    return Sealed(
        payload=None if payload is None else seal(payload, field="payload"),
        notify=seal(note(notify), field="notify") if notify else None,
    )


def _sound(outcome: ScheduleRecord | list[Fault]) -> ScheduleRecord:
    if isinstance(outcome, list):
        raise invalid(outcome)
    return outcome


def _name_taken() -> Problem:
    return Problem("name_taken", "Another schedule has this name. Take another one, or change that schedule.")


def answer_schedule(
    parts: Parts, record: ScheduleRecord, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a schedule and its `ETag`."""
    body = view.schedule(record, open_schedule(parts.sealer, record))
    return Response(
        body, status_code=status, headers={"ETag": etag_of(record), **(headers or {})}, media_type=view.JSON
    )
