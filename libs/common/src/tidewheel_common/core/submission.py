"""A task as it is submitted, and what is checked of it before anything is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import (
    TEN_YEARS,
    Attempts,
    Backoff,
    DeliveryWord,
    Duration,
    Handler,
    Instant,
    Parent,
    ParentFailureWord,
    Payload,
    PriorityWord,
    Queue,
    Strict,
    Tags,
    Timeout,
    UniqueKey,
)
from tidewheel_common.core.notification import Notifications
from tidewheel_common.core.reference import check_references
from tidewheel_common.core.validation import encode_payload, validate

MOST_TASKS: Final = 1000
"""How many tasks one batch may bring."""

MOST_PARENTS: Final = 10_000
"""How many tasks one task may depend on."""

SMALLEST_TASK: Final[dict[str, Any]] = {"handler": "demo.echo"}

FULL_TASK: Final[dict[str, Any]] = {
    "handler": "reports.daily",
    "payload": {"user_id": 42},
    "queue": "reports",
    "priority": "high",
    "run_at": "2026-12-01T09:00:00+01:00",
    "delay": None,
    "expires_at": None,
    "timeout": 60,
    "max_attempts": 5,
    "backoff": {"initial": 2, "factor": 2, "max": 3600, "jitter": 0.1},
    "removal_delay": 86400,
    "depends_on": [],
    "on_parent_failure": "cancel",
    "delivery": "at_least_once",
    "concurrency_key": None,
    "concurrency_limit": None,
    "unique_key": None,
    "tags": ["eu"],
    "notify": [{"on": ["dead"], "email": "ops@example.com"}],
}

_AT_ONCE = timedelta()

_HORIZON = timedelta(seconds=TEN_YEARS)


class TaskSubmission(Strict):
    """A task to be accepted; only `handler` is required. Durations are seconds."""

    model_config = ConfigDict(json_schema_extra={"examples": [SMALLEST_TASK, FULL_TASK]})

    handler: Handler = Field(description="The name of the Celery task that runs it.")
    payload: Payload = Field(default_factory=dict)
    queue: Queue = "default"
    priority: PriorityWord = "medium"
    run_at: Instant | None = Field(None, description="Not before this time; one in the past means now.")
    delay: Duration | None = Field(None, description="Not before so many seconds from now; not with `run_at`.")
    expires_at: Instant | None = Field(None, description="Ends `expired` when it has not started by then.")
    timeout: Timeout | None = Field(None, description="What one attempt may take; null is the executor's default.")
    max_attempts: Attempts = 5
    backoff: Backoff | None = None
    removal_delay: Duration = Field(86400.0, description="How long it stays readable once it is final.")
    delivery: DeliveryWord = "at_least_once"
    tags: Tags = ()
    depends_on: tuple[Parent, ...] = Field(
        (),
        max_length=MOST_PARENTS,
        description='It is `blocked` until these are `complete`: ids, or `{"index": n}` for item n of the same batch. '
        'An argument `{"$parent": 0}` in its payload becomes the result of the first one, `{"$parent": "*"}` all '
        "of them, as a list.",
    )
    on_parent_failure: ParentFailureWord = Field(
        "cancel",
        description="When one of them ends otherwise: be cancelled, run all the same, or stay blocked until a redrive.",
    )
    concurrency_key: UniqueKey | None = Field(
        None, description="Tasks with the same key run at most `concurrency_limit` at a time, in whatever queues."
    )
    concurrency_limit: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        None, description="1 when it is left out; only with `concurrency_key`."
    )
    unique_key: UniqueKey | None = Field(
        None, description="While a task with this key is not final, submitting it again gives that task."
    )
    notify: Notifications = ()


class BatchSubmission(Strict):
    """Up to 1,000 tasks; each is accepted or refused on its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tasks": [SMALLEST_TASK, FULL_TASK]}]})

    # Each task is held against its model on its own, so that a bad one does not spoil its neighbours.
    tasks: list[Any] = Field(
        min_length=1,
        max_length=MOST_TASKS,
        json_schema_extra={"items": {"$ref": "#/components/schemas/TaskSubmission"}},
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A submission that is well formed, with its payload as compact JSON."""

    spec: TaskSubmission
    payload: bytes

    @property
    def linked(self) -> bool:
        """Whether its fate hangs on other tasks, so that they are looked at before it is stored."""
        return bool(self.spec.depends_on) or self.spec.unique_key is not None

    @property
    def delay(self) -> timedelta:
        """The delay in whole microseconds, as PostgreSQL keeps time; zero when none is asked for."""
        return timedelta(seconds=self.spec.delay) if self.spec.delay else _AT_ONCE

    def due(self, now: datetime) -> datetime:
        """Return when it is due, if it is accepted now."""
        return self.spec.run_at or now + self.delay


def read_candidate(document: object, *, pointer: str = "", nul: bool) -> Candidate | list[Fault]:
    """Return a submission that is well formed, or what is wrong with it; nothing here depends on the time.

    Args:
        document: as it was parsed.
        pointer: where in the body it stands.
        nul: whether the body may hold NUL characters.
    """
    spec = validate(TaskSubmission, document, pointer=pointer, nul=nul)
    if isinstance(spec, list):
        return spec
    if spec.run_at is not None and spec.delay is not None:
        detail = "Give either `run_at` or `delay`, not both."
        return [Fault(code="run_at_and_delay", pointer=f"{pointer}/delay", detail=detail)]
    if spec.concurrency_limit is not None and spec.concurrency_key is None:
        detail = "A limit needs the `concurrency_key` that it is for."
        return [Fault(code="limit_without_key", pointer=f"{pointer}/concurrency_limit", detail=detail)]
    if faults := check_references(spec.payload, len(set(spec.depends_on)), pointer=pointer):
        return faults
    payload = encode_payload(spec.payload, pointer=pointer)
    return payload if isinstance(payload, list) else Candidate(spec, payload)


def untimely(candidate: Candidate, now: datetime, *, pointer: str = "") -> list[Fault]:
    """Return what is wrong with a submission's times at a moment."""
    spec = candidate.spec
    if spec.run_at is None and spec.expires_at is None:
        return []
    return untimely_times(spec.run_at, candidate.due(now), spec.expires_at, now, pointer=pointer)


def untimely_times(
    run_at: datetime | None, due: datetime, expires_at: datetime | None, now: datetime, *, pointer: str = ""
) -> list[Fault]:
    """Return what is wrong with the times of a task: too far away, or over before it begins."""
    faults = []
    for name, instant in (("run_at", run_at), ("expires_at", expires_at)):
        if instant is not None and abs(instant - now) > _HORIZON:
            detail = "The time is more than ten years away."
            faults.append(Fault(code="beyond_horizon", pointer=f"{pointer}/{name}", detail=detail))
    if expires_at is not None and expires_at <= max(due, now) and not faults:
        detail = "It would expire before it could run; `expires_at` must come after `run_at` and after now."
        faults.append(Fault(code="expires_too_early", pointer=f"{pointer}/expires_at", detail=detail))
    return faults
