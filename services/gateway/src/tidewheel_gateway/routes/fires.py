"""The ledger of a schedule, and the calls that write into it: trigger, backfill, skip the next time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Instant, Strict
from tidewheel_common.core.rule import Rule
from tidewheel_common.core.validation import validate
from tidewheel_common.store.engine import Connection
from tidewheel_gateway import declare, schedule_queries, view
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.etag import check_match
from tidewheel_gateway.idempotency import REPLAYED, read_key
from tidewheel_gateway.keyed import keep_key
from tidewheel_gateway.paging import PageQuery
from tidewheel_gateway.parts import parts_of, tenant_of
from tidewheel_gateway.problems import Problem, invalid, not_found
from tidewheel_gateway.records import FireRecord, ScheduleRecord
from tidewheel_gateway.routes.schedules import answer_schedule
from tidewheel_gateway.schedule import UNTRIED, check

MOST: Final = 1000
"""How many times one backfill fires."""

_LEDGER: Final = b"fires"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)

router = declare.router("schedules")


class BackfillRange(Strict):
    """From one time to another, both included; it must have passed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"first": "2026-11-01T00:00:00Z", "last": "2026-11-02T00:00:00Z"}]}
    )

    first: Instant
    last: Instant


@router.get(
    "/v1/schedules/{schedule_id:uuid}/fires",
    response_class=Response,
    responses={200: {"model": view.Ledger, "description": "One page."}, **declare.answers(400, 404, 422)},
)
async def list_fires(request: Request, schedule_id: UUID, wanted: Annotated[PageQuery, Query()]) -> Response:
    """Read what became of each nominal time of a schedule, the latest first."""
    parts, tenant = parts_of(request), tenant_of(request)
    scope = tenant.bytes + schedule_id.bytes + _LEDGER
    # A cursor holds an id; a nominal time fits into one as its microseconds.
    before = None if wanted.cursor is None else _EPOCH + parts.cursors.read(wanted.cursor, scope).int * _INSTANT
    async with parts.engine.connect() as connection:
        if await schedule_queries.schedule_find(connection, tenant, schedule_id) is None:
            raise not_found()
        records = await schedule_queries.fires_list(
            connection, tenant, schedule_id, before=before, count=wanted.limit + 1
        )
    shown = records[: wanted.limit]
    following = None
    if len(records) > wanted.limit:
        following = parts.cursors.write(UUID(int=(shown[-1].nominal_at - _EPOCH) // _INSTANT), scope)
    return Response(view.page([view.fire(each) for each in shown], following), media_type=view.JSON)


@router.post(
    "/v1/schedules/{schedule_id:uuid}:trigger",
    status_code=201,
    response_class=Response,
    openapi_extra=declare.takes(keyed=True),
    responses={
        201: {"model": view.Fired, "description": "Its task is ready.", "headers": declare.located("task")},
        **declare.answers(400, 404, 409, 422),
    },
)
async def trigger_schedule(request: Request, schedule_id: UUID) -> Response:
    """Fire a schedule now, also a paused one; its rule, its count and its overlap policy take no notice."""
    parts, tenant = parts_of(request), tenant_of(request)
    key = read_key(request.headers)
    task_id = parts.new_id()
    async with parts.engine.begin() as connection:
        found = await schedule_queries.schedule_lock(connection, tenant, schedule_id)
        if found is None:
            raise not_found()
        record, now = found
        stored = None if key is None else await keep_key(connection, request, b"", key, made=task_id, now=now)
        if stored is None:
            await _fire(connection, record, [(now, task_id)], reason="A caller triggered it.")
    parts.wakeups.dispatcher.wake()
    if stored is not None:
        task_id, now = stored.task_ids[0] or task_id, stored.accepted_at
    headers = {"Location": f"/v1/tasks/{task_id}", **(REPLAYED if stored is not None else {})}
    body = to_json({"nominal_at": now, "task_id": task_id})
    return Response(body, status_code=201, headers=headers, media_type=view.JSON)


@router.post(
    "/v1/schedules/{schedule_id:uuid}:backfill",
    response_class=Response,
    openapi_extra=declare.takes("BackfillRange"),
    responses={
        200: {"model": view.Backfilled, "description": "What was fired."},
        **declare.answers(404, body=True),
    },
)
async def backfill_schedule(request: Request, schedule_id: UUID) -> Response:
    """Fire a schedule for the nominal times of a range that has passed, save excluded ones and those with a task.

    Repeating it fires nothing twice. An interval has no times before the one it counts from.
    """
    parts = parts_of(request)
    body, document = await read_json(request)
    wanted = validate(BackfillRange, document, nul=may_hold_nul(body))
    if isinstance(wanted, list):
        raise invalid(wanted)
    async with parts.engine.begin() as connection:
        found = await schedule_queries.schedule_lock(connection, tenant_of(request), schedule_id)
        if found is None:
            raise not_found()
        record, now = found
        entries = [(time, parts.new_id()) for time in _passed(record, wanted, now)]
        born = await _fire(connection, record, entries, reason="A caller backfilled it.")
    if born:
        parts.wakeups.dispatcher.wake()
    shown = [{"nominal_at": each.nominal_at, "task_id": each.task_id} for each in born]
    return Response(to_json({"data": sorted(shown, key=lambda each: str(each["nominal_at"]))}), media_type=view.JSON)


async def _fire(
    connection: Connection, record: ScheduleRecord, entries: list[tuple[datetime, UUID]], *, reason: str
) -> list[FireRecord]:
    rule = _rule_of(record)
    return await schedule_queries.schedule_fire(
        connection, record, entries, expires_after=rule.expires_after, reason=reason
    )


def _passed(record: ScheduleRecord, wanted: BackfillRange, now: datetime) -> list[datetime]:
    if wanted.last > now:
        raise invalid([Fault(code="in_the_future", pointer="/last", detail="This time has not passed yet.")])
    if wanted.last < wanted.first:
        raise invalid([Fault(code="ends_too_early", pointer="/last", detail="It is before `first`.")])
    times = list(islice(_times(_rule_of(record), wanted), MOST + 1))
    if len(times) > MOST:
        detail = f"There are more than {MOST} times in this range; backfill it in parts."
        raise invalid([Fault(code="too_many", pointer="/last", detail=detail)])
    return times


def _times(rule: Rule, wanted: BackfillRange) -> Iterator[datetime]:
    plan = replace(rule.plan, starts_at=min(rule.plan.starts_at, wanted.first))
    passed = takewhile(lambda time: time <= wanted.last, plan.times_after(wanted.first - _INSTANT))
    return (time for time in passed if plan.excluded(time) is None)


def _rule_of(record: ScheduleRecord) -> Rule:
    rule = check(record)
    if isinstance(rule, list):
        raise invalid(rule)
    return rule


@router.post(
    "/v1/schedules/{schedule_id:uuid}:skip-next",
    response_class=Response,
    openapi_extra=declare.takes(keyed=True, matched=True),
    responses={
        200: {"model": view.Schedule, "description": "It goes on with the time after.", "headers": declare.tagged()},
        **declare.answers(400, 404, 409, 412, 422),
    },
)
async def skip_next_fire(request: Request, schedule_id: UUID) -> Response:
    """Skip the next time of a schedule, and only that; the ledger says so at once."""
    parts, tenant = parts_of(request), tenant_of(request)
    key = read_key(request.headers)
    async with parts.engine.begin() as connection:
        found = await schedule_queries.schedule_lock(connection, tenant, schedule_id)
        if found is None:
            raise not_found()
        record, now = found
        stored = None if key is None else await keep_key(connection, request, b"", key, made=schedule_id, now=now)
        if stored is None:
            check_match(request, record)
            record = _without_next(record, now)
            nominal = found[0].next_run_at or now
            await schedule_queries.schedule_skip(connection, record, nominal, reason="A caller skipped it.", now=now)
            await schedule_queries.schedule_update(connection, record)
    parts.wakeups.scheduler.wake()
    return answer_schedule(parts, record, headers=None if stored is None else dict(REPLAYED))


def _without_next(record: ScheduleRecord, now: datetime) -> ScheduleRecord:
    if record.next_run_at is None:
        raise Problem("nothing_to_skip", "The schedule is paused or has ended: it has no next time.")
    following = _rule_of(record).plan.next_after(record.next_run_at)
    ended_at = now if following is None else None
    return replace(record, next_run_at=following, ended_at=ended_at, updated_at=now, **UNTRIED)
