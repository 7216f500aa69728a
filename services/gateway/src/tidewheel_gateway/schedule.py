"""A recurring schedule as it is submitted and changed, and the row that comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import LONGEST, SHORTEST, Recurrence
from tidewheel_gateway.examples import SCHEDULE
from tidewheel_gateway.fields import (
    PRIORITIES,
    Attempts,
    Backoff,
    DeliveryWord,
    Duration,
    Handler,
    Payload,
    PriorityWord,
    Queue,
    Strict,
    Tags,
    Timeout,
)
from tidewheel_gateway.problems import Fault
from tidewheel_gateway.records import ScheduleRecord

Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]

Every = Annotated[float, Field(strict=True, ge=SHORTEST, le=LONGEST, allow_inf_nan=False)]

Cron = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200)]

Zone = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64)]

CLEARABLE: Final = frozenset({"every", "cron", "timeout", "backoff"})
"""Fields that a patch may set to null."""

_RULE = ("every", "cron", "timezone")


class ScheduleSubmission(Strict):
    """A recurring schedule: either `every` or `cron`."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCHEDULE]})

    name: Name = Field(description="Unique within the tenant.")
    handler: Handler
    payload: Payload = Field(default_factory=dict)
    queue: Queue = "default"
    priority: PriorityWord = "medium"
    every: Every | None = Field(None, description="Seconds from one time to the next.")
    cron: Cron | None = Field(None, description="Minute, hour, day of month, month and day of week.")
    timezone: Zone = Field("UTC", description="The IANA zone that `cron` is read in.")
    max_attempts: Attempts = 5
    timeout: Timeout | None = None
    backoff: Backoff | None = None
    removal_delay: Duration = 86400.0
    delivery: DeliveryWord = "at_least_once"
    tags: Tags = ()


class SchedulePatch(Strict):
    """What is to be changed of a schedule; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cron": "30 9 * * 1-5", "tags": []}]})

    name: Name | None = None
    handler: Handler | None = None
    payload: Payload | None = None
    queue: Queue | None = None
    priority: PriorityWord | None = None
    every: Every | None = None
    cron: Cron | None = None
    timezone: Zone | None = None
    max_attempts: Attempts | None = None
    timeout: Timeout | None = None
    backoff: Backoff | None = None
    removal_delay: Duration | None = None
    delivery: DeliveryWord | None = None
    tags: Tags | None = None


def new_record(
    spec: ScheduleSubmission, *, schedule_id: UUID, tenant_id: UUID, sealed: bytes, now: datetime
) -> ScheduleRecord | list[Fault]:
    """Return the row of a new schedule, or what is wrong with its rule. `every` counts from now."""
    columns = _columns({name: getattr(spec, name) for name in ScheduleSubmission.model_fields if name != "payload"})
    record = ScheduleRecord(
        **columns,
        id=schedule_id,
        tenant_id=tenant_id,
        payload=sealed,
        starts_at=now,
        next_run_at=None,
        last_run_at=None,
        paused_at=None,
        created_at=now,
        updated_at=now,
    )
    return _planned(record, now)


def changed_record(
    record: ScheduleRecord, changes: Mapping[str, Any], *, sealed: bytes | None, now: datetime
) -> ScheduleRecord | list[Fault]:
    """Return the row as it is after a change, or what is wrong with its new rule.

    Args:
        record: as it was.
        changes: the fields that were given.
        sealed: the new payload.
        now: by the database's clock.
    """
    columns = _columns({name: value for name, value in changes.items() if name != "payload"})
    if columns.get("every") is not None:
        columns = {"cron": None, **columns}
    elif columns.get("cron") is not None:
        columns = {"every": None, **columns}
    changed = replace(record, **columns, payload=record.payload if sealed is None else sealed, updated_at=now)
    if not any(name in columns for name in _RULE):
        return changed
    return _planned(replace(changed, starts_at=now) if "every" in changes else changed, now)


def paused_record(record: ScheduleRecord, *, now: datetime) -> ScheduleRecord:
    """Return the row of a schedule that fires no more."""
    if record.paused_at is not None:
        return record
    return replace(record, paused_at=now, next_run_at=None, updated_at=now)


def resumed_record(record: ScheduleRecord, *, now: datetime) -> ScheduleRecord | list[Fault]:
    """Return the row of a schedule that fires again, from its next time on: what was missed stays missed."""
    if record.paused_at is None:
        return record
    return _planned(replace(record, paused_at=None, updated_at=now), now)


def _planned(record: ScheduleRecord, now: datetime) -> ScheduleRecord | list[Fault]:
    recurrence = _recurrence(record)
    if isinstance(recurrence, list):
        return recurrence
    return replace(record, next_run_at=None if record.paused_at is not None else recurrence.next_after(now))


def _recurrence(record: ScheduleRecord) -> Recurrence | list[Fault]:
    if (record.every is None) == (record.cron is None):
        return [Fault(code="one_rule", pointer="/cron", detail="Give either `every` or `cron`, and not both.")]
    try:
        # The zone first and alone, to know which field to blame.
        Recurrence(anchor=record.starts_at, every=1.0, timezone=record.timezone)
    except InvalidSchedule as error:
        return [Fault(code="unknown_timezone", pointer="/timezone", detail=str(error))]
    try:
        return Recurrence(anchor=record.starts_at, every=record.every, cron=record.cron, timezone=record.timezone)
    except InvalidSchedule as error:
        return [Fault(code="invalid_cron", pointer="/cron", detail=str(error))]


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "priority" in columns:
        columns["priority"] = PRIORITIES[columns["priority"]]
    if "tags" in columns:
        columns["tags"] = list(columns["tags"])
    if columns.get("backoff") is not None:
        columns["backoff"] = to_json(columns["backoff"]).decode()
    return columns
