"""Tasks, attempts and schedules as callers see them.

The models say it in OpenAPI; the functions build it. Nothing is validated on the way out: a test holds the two against
each other. Payload and result are JSON texts already, and are joined in as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from tidewheel_common.core.fields import PRIORITY_WORDS, Backoff, DeliveryWord, ParentFailureWord, PriorityWord
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.notification import note
from tidewheel_common.core.submission import Candidate
from tidewheel_gateway.etag import etag_of
from tidewheel_gateway.examples import STORED_SCHEDULE, STORED_TASK
from tidewheel_gateway.records import AttemptRecord, FireRecord, ScheduleRecord, TaskRecord
from tidewheel_gateway.rule import RULE_DEFAULTS, DstChoice, Exclusion, MisfireChoice, OverlapWord, Spec
from tidewheel_gateway.told import Told, told

JSON: Final = "application/json"

Json = dict[str, Any]


class TaskSummary(BaseModel):
    """A task, without what it carries."""

    id: UUID
    handler: str
    queue: str
    priority: PriorityWord
    state: State
    run_at: datetime
    expires_at: datetime | None
    timeout: float | None
    max_attempts: int
    backoff: Backoff | None
    removal_delay: float
    delivery: DeliveryWord
    tags: list[str]
    attempt: int = Field(description="How often it was started.")
    failures: int = Field(description="How many attempts failed; counts against `max_attempts`.")
    lost: int = Field(description="How often its executor was lost.")
    reason: str | None = Field(description="Why it ended other than by its handler's return.")
    error_type: str | None
    pending_parents: int = Field(description="How many of the tasks that it depends on are still to complete.")
    on_parent_failure: ParentFailureWord | None = Field(description="Null when it depends on none.")
    unique_key: str | None
    concurrency_key: str | None
    concurrency_limit: int | None
    schedule_id: UUID | None
    nominal_at: datetime | None = Field(description="The time of the schedule that it stands for.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    remove_at: datetime | None = Field(description="When it is deleted; set once it is final.")


class Task(TaskSummary):
    """A task with everything that it carries."""

    model_config = ConfigDict(json_schema_extra={"examples": [STORED_TASK]})

    payload: dict[str, Any] | None
    result: Any
    error: str | None = Field(description="The error of the last attempt that failed.")
    notify: list[Told] = Field(description="Whom it tells; rules of the tenant may tell others.")
    unreadable: dict[str, str] = Field(description="Fields that could not be opened, each with the reason.")


class TaskPage(BaseModel):
    """One page of tasks, the newest first."""

    data: list[TaskSummary]
    next_cursor: str | None


class Accepted(BaseModel):
    """An item of a batch that was accepted."""

    id: UUID
    existing: bool = Field(False, description="Whether another submission had made it, under the same `unique_key`.")


class ItemProblem(BaseModel):
    """Why an item of a batch was refused."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]]


class Refused(BaseModel):
    """An item of a batch that was refused."""

    error: ItemProblem


class BatchResult(BaseModel):
    """What became of each item of a batch, in its order."""

    results: list[Accepted | Refused]


class Progress(BaseModel):
    """How far an attempt is, in the words of its handler."""

    state: str
    meta: Any
    updated_at: datetime


class Attempt(BaseModel):
    """One attempt of a task."""

    attempt: int
    executor_id: UUID | None
    state: str = Field(description="`running` while it runs, and then how it ended.")
    started_at: datetime | None
    finished_at: datetime | None
    error_type: str | None
    error: str | None
    progress: Progress | None = Field(description="What the handler said last with `self.update_state()`.")


class AttemptLog(BaseModel):
    """Every attempt of a task, the first one first."""

    data: list[Attempt]


class LogLine(BaseModel):
    """What a handler has logged."""

    attempt: int
    at: datetime | None = Field(description="By the clock of the executor; null for a remark of Tidewheel's own.")
    level: str
    logger: str
    message: str


class LogPage(BaseModel):
    """Lines in the order in which they were logged."""

    data: list[LogLine]
    next_cursor: str | None = Field(description="Pass it as `after` to read on, also when no line was there yet.")
    state: State = Field(description="Where the task is; once it is final and no line comes, none will.")


class ScheduleSummary(BaseModel):
    """A recurring schedule, without its payload."""

    id: UUID
    name: str
    handler: str
    queue: str
    priority: PriorityWord
    every: float | None
    cron: str | None
    timezone: str
    specs: list[Spec] | None
    dst: DstChoice
    exclusions: list[Exclusion]
    starts_at: datetime
    ends_at: datetime | None
    max_fires: int | None
    jitter: float
    misfire: MisfireChoice
    expires_after: float | None
    overlap: OverlapWord
    max_attempts: int
    timeout: float | None
    backoff: Backoff | None
    removal_delay: float
    delivery: DeliveryWord
    tags: list[str]
    next_run_at: datetime | None = Field(
        description="When it takes its next turn; an excluded time is written down as skipped then. Null while paused."
    )
    last_run_at: datetime | None
    paused_at: datetime | None
    paused_until: datetime | None
    pause_reason: str | None = Field(description="Why it is paused, where somebody has said so.")
    ended_at: datetime | None = Field(description="Set when there is no next time any more.")
    fired: int = Field(description="How often it has fired by its rule.")
    failures: int = Field(description="How often its fire was refused since one last succeeded.")
    last_error: str | None = Field(description="Why its fire was refused, while it is tried again.")
    retry_at: datetime | None = Field(description="When the refused fire is tried again.")
    source: str = Field(description="`api`, or `celery` when it came from an app's `beat_schedule`.")
    managed_by: str | None = Field(description="The `schedules.yaml` that it is kept by.")
    etag: str = Field(description="The `ETag` of what callers can change of it.")
    created_at: datetime
    updated_at: datetime


class Schedule(ScheduleSummary):
    """A recurring schedule."""

    model_config = ConfigDict(json_schema_extra={"examples": [STORED_SCHEDULE]})

    payload: dict[str, Any] | None
    notify: list[Told] = Field(description="Whom it and its tasks tell; rules of the tenant may tell others.")
    unreadable: dict[str, str]


class Fire(BaseModel):
    """What became of one nominal time of a schedule."""

    nominal_at: datetime
    outcome: Literal["fired", "skipped", "late", "missed"]
    reason: str
    task_id: UUID | None
    recorded_at: datetime | None


class Ledger(BaseModel):
    """One page of a schedule's ledger, the latest nominal time first."""

    data: list[Fire]
    next_cursor: str | None


class Fired(BaseModel):
    """The task of one nominal time."""

    nominal_at: datetime
    task_id: UUID


class Backfilled(BaseModel):
    """What a backfill has fired; times that have a task already are left out."""

    data: list[Fired]


class Nominal(BaseModel):
    """A nominal time to come."""

    at: datetime
    local: str = Field(description="What the clocks of the zone show, with the offset.")
    excluded: str | None = Field(description="Why it will be skipped, when it will.")
    change: str | None = Field(description="What a clock change does to it, when it does.")


class Preview(BaseModel):
    """The next nominal times of a rule, in words and one by one."""

    description: str
    data: list[Nominal]


class SchedulePage(BaseModel):
    """One page of schedules, the newest first."""

    data: list[ScheduleSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a task carries, opened.

    Attributes:
        texts: `payload`, `result`, `notify` as JSON texts and `error` as plain text, each None when there is none.
        unreadable: fields that do not open, each with the reason.
    """

    texts: Mapping[str, bytes | None]
    unreadable: Mapping[str, str]


def new_task(candidate: Candidate, task_id: UUID, accepted_at: datetime) -> bytes:
    """Return a task as it was accepted; the same for a repeated request, whatever has become of it since."""
    spec = candidate.spec
    due = candidate.due(accepted_at)
    view = {
        "id": str(task_id),
        "handler": spec.handler,
        "queue": spec.queue,
        "priority": spec.priority,
        "state": State.WAITING if due > accepted_at else State.READY,
        "run_at": due,
        "expires_at": spec.expires_at,
        "timeout": spec.timeout,
        "max_attempts": spec.max_attempts,
        "backoff": spec.backoff,
        "removal_delay": spec.removal_delay,
        "delivery": spec.delivery,
        "tags": spec.tags,
        "attempt": 0,
        "failures": 0,
        "lost": 0,
        "reason": None,
        "error_type": None,
        "pending_parents": 0,
        "on_parent_failure": None,
        "unique_key": None,
        "concurrency_key": spec.concurrency_key,
        "concurrency_limit": spec.concurrency_limit,
        "schedule_id": None,
        "nominal_at": None,
        "created_at": accepted_at,
        "started_at": None,
        "finished_at": None,
        "cancel_requested_at": None,
        "remove_at": None,
        "notify": told(from_json(note(spec.notify))) if spec.notify else [],
    }
    return join(view, {"payload": candidate.payload, "result": b"null", "error": b"null", "unreadable": b"{}"})


def task_summary(record: TaskRecord) -> Json:
    """Return a stored task without what it carries."""
    return _shown(record, TaskSummary.model_fields)


def task(record: TaskRecord, opened: Opened) -> bytes:
    """Return a stored task with what it carries."""
    error = opened.texts["error"]
    texts = {
        "payload": opened.texts["payload"] or b"null",
        "result": opened.texts["result"] or b"null",
        "error": b"null" if error is None else to_json(error.decode(errors="replace")),
        "notify": opened.texts["notify"] or b"[]",
        "unreadable": to_json(opened.unreadable),
    }
    return join(task_summary(record), texts)


def attempt(record: AttemptRecord, error: str | None, progress: Any) -> Json:
    """Return an attempt with its error, and the `meta` of its progress, opened."""
    said = None
    if record.progress_state is not None:
        said = {"state": record.progress_state, "meta": progress, "updated_at": record.progress_at}
    names = [name for name in Attempt.model_fields if name not in {"error", "progress"}]
    return {**{name: getattr(record, name) for name in names}, "error": error, "progress": said}


def schedule_summary(record: ScheduleRecord) -> Json:
    """Return a stored schedule without its payload."""
    parts = {**RULE_DEFAULTS, **from_json(record.rule), "etag": etag_of(record)}
    return {**_shown(record, (name for name in ScheduleSummary.model_fields if name not in parts)), **parts}


def fire(record: FireRecord) -> Json:
    """Return an entry of a ledger."""
    return {
        "nominal_at": record.nominal_at,
        "outcome": record.outcome,
        "reason": record.reason,
        "task_id": record.task_id,
        "recorded_at": record.fired_at,
    }


def schedule(record: ScheduleRecord, opened: Opened) -> bytes:
    """Return a stored schedule with its payload."""
    texts = {
        "payload": opened.texts["payload"] or b"null",
        "notify": opened.texts["notify"] or b"[]",
        "unreadable": to_json(opened.unreadable),
    }
    return join(schedule_summary(record), texts)


def page(items: list[Json], next_cursor: str | None) -> bytes:
    """Return one page of a list."""
    return to_json({"data": items, "next_cursor": next_cursor})


def join(view: Json, texts: Mapping[str, bytes]) -> bytes:
    """Return a view as JSON, with more fields whose values are JSON texts already."""
    tail = b"".join(b',"%b":%b' % (name.encode(), text) for name, text in texts.items())
    return to_json(view)[:-1] + tail + b"}"


def _shown(record: TaskRecord | ScheduleRecord, names: Iterable[str]) -> Json:
    view = {name: getattr(record, name) for name in names}
    view["priority"] = PRIORITY_WORDS[record.priority]
    view["backoff"] = None if record.backoff is None else from_json(record.backoff)
    return view
