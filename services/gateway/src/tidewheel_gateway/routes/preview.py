"""What a rule means: its next times, each with what a clock change or an excluded day does to it, and in words."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.describe import describe
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Instant, Strict
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.rule import EMPTY
from tidewheel_common.core.validation import validate
from tidewheel_common.core.walls import read_zone
from tidewheel_gateway import declare, schedule_queries, view
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.parts import parts_of, tenant_of
from tidewheel_gateway.problems import invalid, not_found
from tidewheel_gateway.records import ScheduleRecord
from tidewheel_gateway.rule import KEPT, Cron, DstChoice, Every, Exclusions, Specs, Zone, check_rule, write_rule
from tidewheel_gateway.schedule import check

MOST: Final = 100

_INSTANT: Final = timedelta(microseconds=1)

Count = Annotated[int, Field(ge=1, le=MOST)]

router = declare.router("schedules")


class RulePreview(Strict):
    """A rule that is not kept anywhere."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cron": "30 2 * * *", "timezone": "Europe/Berlin", "count": 5}]}
    )

    every: Every | None = None
    cron: Cron | None = None
    specs: Specs | None = None
    timezone: Zone = "UTC"
    dst: DstChoice = DstChoice()
    exclusions: Exclusions = ()
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    after: Instant | None = Field(None, description="Show the times after this one; now without it.")
    count: Annotated[int, Field(strict=True, ge=1, le=MOST)] = 10


class PreviewQuery(BaseModel):
    """How many times are shown."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    count: Count = 10


@router.post(
    "/v1/schedules/preview",
    response_class=Response,
    openapi_extra=declare.takes("RulePreview"),
    responses={200: {"model": view.Preview, "description": "The next times."}, **declare.answers(body=True)},
)
async def preview_rule(request: Request) -> Response:
    """Show when a rule would fire; nothing is stored."""
    body, document = await read_json(request)
    wanted = validate(RulePreview, document, nul=may_hold_nul(body))
    if isinstance(wanted, list):
        raise invalid(wanted)
    after = wanted.after or parts_of(request).clock()
    text = write_rule(EMPTY, {name: getattr(wanted, name) for name in KEPT if hasattr(wanted, name)})
    rule = check_rule(
        every=wanted.every,
        cron=wanted.cron,
        timezone=wanted.timezone,
        starts_at=wanted.starts_at or after,
        rule=text,
    )
    if isinstance(rule, list):
        raise invalid(rule)
    # An interval that starts now has its first time one interval later, as a schedule that is made now.
    return _answer(rule.plan, after, wanted.count)


@router.get(
    "/v1/schedules/{schedule_id:uuid}/preview",
    response_class=Response,
    responses={200: {"model": view.Preview, "description": "The next times."}, **declare.answers(404, 422)},
)
async def preview_schedule(request: Request, schedule_id: UUID, wanted: Annotated[PreviewQuery, Query()]) -> Response:
    """Show when a schedule fires next; of a paused one, when it would."""
    async with parts_of(request).engine.connect() as connection:
        found = await schedule_queries.schedule_find(connection, tenant_of(request), schedule_id)
    if found is None:
        raise not_found()
    record, now = found
    rule = check(record)
    if isinstance(rule, list):
        raise invalid(rule)
    plan, left = rule.plan, wanted.count
    if rule.max_fires is not None:
        left = min(left, max(0, rule.max_fires - record.fired))
    if record.ended_at is not None:
        left = 0
    return _answer(plan, _since(record, now), left)


def _since(record: ScheduleRecord, now: datetime) -> datetime:
    if record.next_run_at is not None:
        return record.next_run_at - _INSTANT
    return record.paused_until or now


def _answer(plan: Plan, after: datetime, count: int) -> Response:
    try:
        shown = [_nominal(plan, time) for time in islice(plan.times_after(after), count)]
    except (InvalidSchedule, OverflowError):
        detail = "The times are beyond the calendar."
        raise invalid([Fault(code="never_again", pointer="/after", detail=detail)]) from None
    return Response(to_json({"description": describe(plan), "data": shown}), media_type=view.JSON)


def _nominal(plan: Plan, time: datetime) -> dict[str, Any]:
    local = time.astimezone(read_zone(plan.recurrences[0].timezone))
    return {
        "at": time,
        "local": local.isoformat(),
        "excluded": plan.excluded(time),
        "change": plan.change_at(time),
    }
