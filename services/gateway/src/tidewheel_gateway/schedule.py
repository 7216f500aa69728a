"""A recurring schedule as it is submitted and changed, and the row that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import (
    PRIORITIES,
    Attempts,
    Backoff,
    DeliveryWord,
    Duration,
    Handler,
    Instant,
    Payload,
    PriorityWord,
    Queue,
    Strict,
    Tags,
    Timeout,
)
from tidewheel_common.core.notification import ScheduleNotifications, soonest
from tidewheel_common.core.rule import EMPTY, Rule
from tidewheel_common.core.validation import patch_config
from tidewheel_gateway.examples import SCHEDULE
from tidewheel_gateway.records import ScheduleRecord
from tidewheel_gateway.rule import (
    KEPT,
    Cron,
    DstChoice,
    Every,
    Exclusions,
    Jitter,
    MaxFires,
    MisfireChoice,
    OverlapWord,
    Specs,
    Zone,
    check_rule,
    write_rule,
)

Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]

Owner = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,64}$")]

CLEARABLE: Final = frozenset(
    {"every", "cron", "specs", "ends_at", "max_fires", "expires_after", "timeout", "backoff", "managed_by"}
)
"""Fields that a patch may set to null."""

_FORMS = ("every", "cron", "specs")
_RULE = frozenset({*_FORMS, "timezone", "dst", "starts_at", "ends_at", "max_fires"})
"""Fields with which the next time is worked out anew."""

UNTRIED: Final[dict[str, Any]] = {"failures": 0, "last_error": None, "retry_at": None}
"""What was refused before a change says nothing of what comes after it."""


class ScheduleSubmission(Strict):
    """A recurring schedule: `every`, `cron`, or several of them as `specs`."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCHEDULE]})

    name: Name = Field(description="Unique within the tenant.")
    handler: Handler
    payload: Payload = Field(default_factory=dict)
    queue: Queue = "default"
    priority: PriorityWord = "medium"
    every: Every | None = Field(None, description="Seconds from one time to the next.")
    cron: Cron | None = Field(None, description="Minute, hour, day of month, month and day of week.")
    specs: Specs | None = Field(None, description="Several rules; a time that two of them name fires once.")
    timezone: Zone = Field("UTC", description="The IANA zone that `cron` is read in.")
    dst: DstChoice = DstChoice()
    exclusions: Exclusions = ()
    starts_at: Instant | None = Field(None, description="Nothing is due before; intervals count from it. Now if null.")
    ends_at: Instant | None = Field(None, description="Nothing is due after it.")
    max_fires: MaxFires | None = Field(None, description="How often it fires before it ends.")
    jitter: Jitter = Field(
        0.0, description="Each task runs up to so many seconds late, always before the next nominal time."
    )
    misfire: MisfireChoice = MisfireChoice()
    expires_after: Timeout | None = Field(
        None, description="Seconds after which a task that was fired and has not started expires."
    )
    overlap: OverlapWord = Field("allow", description="What a fire does while a run of this schedule has not ended.")
    max_attempts: Attempts = 5
    timeout: Timeout | None = None
    backoff: Backoff | None = None
    removal_delay: Duration = 86400.0
    delivery: DeliveryWord = "at_least_once"
    tags: Tags = ()
    notify: ScheduleNotifications = ()
    managed_by: Owner | None = Field(None, description="The `schedules.yaml` that it is kept by, if one does.")


class SchedulePatch(Strict):
    """What is to be changed of a schedule; what is left out stays as it is."""

    model_config = patch_config({"cron": "30 9 * * 1-5", "tags": []}, clearable=CLEARABLE)

    name: Name | None = None
    handler: Handler | None = None
    payload: Payload | None = None
    queue: Queue | None = None
    priority: PriorityWord | None = None
    every: Every | None = None
    cron: Cron | None = None
    specs: Specs | None = None
    timezone: Zone | None = None
    dst: DstChoice | None = None
    exclusions: Exclusions | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    max_fires: MaxFires | None = None
    jitter: Jitter | None = None
    misfire: MisfireChoice | None = None
    expires_after: Timeout | None = None
    overlap: OverlapWord | None = None
    max_attempts: Attempts | None = None
    timeout: Timeout | None = None
    backoff: Backoff | None = None
    removal_delay: Duration | None = None
    delivery: DeliveryWord | None = None
    tags: Tags | None = None
    notify: ScheduleNotifications | None = None
    managed_by: Owner | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What is sealed of a schedule; None for what there is not."""

    payload: bytes | None = None
    notify: bytes | None = None


def new_record(
    spec: ScheduleSubmission, *, schedule_id: UUID, tenant_id: UUID, sealed: Sealed, now: datetime
) -> ScheduleRecord | list[Fault]:
    """Return the row of a new schedule, or what is wrong with its rule. `every` counts from now, or from its start."""
    values = {name: getattr(spec, name) for name in ScheduleSubmission.model_fields}
    columns = _columns(values, sealed)
    record = ScheduleRecord(
        **{**columns, "starts_at": spec.starts_at or now},
        rule=write_rule(EMPTY, {name: values[name] for name in KEPT if values[name] != _default(name)}),
        id=schedule_id,
        tenant_id=tenant_id,
        source="api",
        fired=0,
        next_run_at=None,
        last_run_at=None,
        paused_at=None,
        paused_until=None,
        ended_at=None,
        created_at=now,
        updated_at=now,
    )
    return planned(record, now)


def changed_record(
    record: ScheduleRecord, changes: Mapping[str, Any], *, sealed: Sealed, now: datetime
) -> ScheduleRecord | list[Fault]:
    """Return the row as it is after a change, or what is wrong with its new rule.

    Args:
        record: as it was.
        changes: the fields that were given.
        sealed: what of them is sealed.
        now: by the database's clock.
    """
    given = dict(changes)
    if form := next((name for name in _FORMS if given.get(name) is not None), None):
        given = {**{name: None for name in _FORMS if name != form}, **given}
    rule = write_rule(record.rule, given)
    changed = replace(record, **_columns(given, sealed), rule=rule, updated_at=now, **UNTRIED)
    if not _RULE & given.keys():
        faults = check(changed)
        return faults if isinstance(faults, list) else changed
    anew = ("every" in changes or "specs" in changes) and "starts_at" not in changes and record.starts_at < now
    return planned(replace(changed, starts_at=now) if anew else changed, now)


def paused_record(
    record: ScheduleRecord, *, until: datetime | None, reason: str | None, now: datetime
) -> ScheduleRecord | list[Fault]:
    """Return the row of a schedule that fires no more, until it is resumed or a time has come."""
    if until is not None and until <= now:
        return [Fault(code="in_the_past", parameter="until", detail="This time has passed already.")]
    same = record.paused_until == until and record.pause_reason == reason
    if record.ended_at is not None or (record.paused_at is not None and same):
        return record
    return replace(
        record,
        paused_at=record.paused_at or now,
        paused_until=until,
        pause_reason=reason,
        next_run_at=None,
        updated_at=now,
        **UNTRIED,
    )


def resumed_record(record: ScheduleRecord, *, now: datetime) -> ScheduleRecord | list[Fault]:
    """Return the row of a schedule that fires again, from its next time on: what was missed stays missed."""
    if record.paused_at is None:
        return record
    awake = replace(record, paused_at=None, paused_until=None, pause_reason=None, updated_at=now, **UNTRIED)
    return planned(awake, now)


def planned(record: ScheduleRecord, now: datetime) -> ScheduleRecord | list[Fault]:
    """Return the row with its next time, or what is wrong with its rule."""
    rule = check(record)
    if isinstance(rule, list):
        return rule
    if rule.max_fires is not None and record.fired >= rule.max_fires:
        detail = f"It has fired {record.fired} times already and would not fire again."
        return [Fault(code="never_again", pointer="/max_fires", detail=detail)]
    following = rule.plan.next_after(now)
    if following is None:
        pointer = "/ends_at" if rule.plan.ends_at is not None else "/cron"
        return [Fault(code="never_again", pointer=pointer, detail="There is no time left at which it would fire.")]
    return replace(record, next_run_at=None if record.paused_at is not None else following, ended_at=None)


def check(record: ScheduleRecord) -> Rule | list[Fault]:
    """Return a row's rule, or what is wrong with it."""
    return check_rule(
        every=record.every,
        cron=record.cron,
        timezone=record.timezone,
        starts_at=record.starts_at,
        rule=record.rule,
    )


def _default(name: str) -> Any:
    return ScheduleSubmission.model_fields[name].default


def _columns(values: Mapping[str, Any], sealed: Sealed) -> dict[str, Any]:
    columns = {name: value for name, value in values.items() if name not in KEPT}
    if "payload" in columns:
        columns["payload"] = sealed.payload
    if "notify" in columns:
        columns["late_after"] = soonest(columns["notify"])
        columns["notify"] = sealed.notify
    if "priority" in columns:
        columns["priority"] = PRIORITIES[columns["priority"]]
    if "tags" in columns:
        columns["tags"] = list(columns["tags"])
    if columns.get("backoff") is not None:
        columns["backoff"] = to_json(columns["backoff"]).decode()
    return columns
