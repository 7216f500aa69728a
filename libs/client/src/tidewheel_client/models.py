"""What the service answers. Fields that a newer service adds are kept, not refused."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

FINAL: Final = frozenset({"complete", "dead", "cancelled", "expired"})
"""The states that a task does not leave by itself."""


class Answer(BaseModel):
    """Something that the service answered."""

    model_config = ConfigDict(extra="allow", frozen=True)


class TaskSummary(Answer):
    """A task without what it carries; durations are seconds."""

    id: UUID
    handler: str
    queue: str
    priority: str
    state: str
    run_at: datetime
    expires_at: datetime | None
    timeout: float | None
    max_attempts: int
    backoff: dict[str, float] | None
    removal_delay: float
    delivery: str
    tags: list[str]
    attempt: int
    failures: int
    lost: int
    reason: str | None
    error_type: str | None
    pending_parents: int
    on_parent_failure: str | None
    unique_key: str | None
    concurrency_key: str | None
    concurrency_limit: int | None
    schedule_id: UUID | None
    nominal_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    remove_at: datetime | None

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL


class Told(Answer):
    """Somebody who wants to be told; of a webhook only the host is shown."""

    on: list[str]
    late_after: float | None
    kind: str
    email: str | None
    host: str | None


class Task(TaskSummary):
    """A task with its payload, and its result or error; `unreadable` names fields that could not be opened, and why."""

    payload: dict[str, Any] | None
    result: Any
    error: str | None
    notify: list[Told] = []
    unreadable: dict[str, str]


class ItemProblem(Answer):
    """Why one item of a batch was refused."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]]


class BatchItem(Answer):
    """What became of one item of a batch: the `id` of its task, or an `error`.

    Attributes:
        existing: whether another submission had made the task, under the same `unique_key`.
    """

    id: UUID | None = None
    existing: bool = False
    error: ItemProblem | None = None


class Progress(Answer):
    """How far an attempt is, in the words of its handler."""

    state: str
    meta: Any
    updated_at: datetime


class Attempt(Answer):
    """One attempt of a task; `state` is `running` while it runs."""

    attempt: int
    executor_id: UUID | None
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    error_type: str | None
    error: str | None
    progress: Progress | None = None


class LogLine(Answer):
    """What a handler has logged."""

    attempt: int
    at: datetime | None
    level: str
    logger: str
    message: str


class LogPage(Answer):
    """Lines in their order; `next_cursor` reads on behind them."""

    data: list[LogLine]
    next_cursor: str | None
    state: str


class DeadLetters(Answer):
    """Dead tasks that failed alike."""

    handler: str
    error_type: str | None
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    latest_task_id: UUID


class Operation(Answer):
    """A bulk operation and how far it is; `finished_at` is None while it is being worked off."""

    id: UUID
    action: str
    filter: dict[str, Any]
    priority: str | None
    dry_run: bool
    counted: int
    done: int
    failed: int
    created_at: datetime
    finished_at: datetime | None


class Gate(Answer):
    """One thing that a task has to pass on its way: who opens it, and when."""

    gate: str
    open: bool
    holder: str | None
    until: datetime | None
    detail: str


class Explanation(Answer):
    """Why a task is not running yet, in a sentence, and every gate on its way."""

    state: str
    summary: str
    gates: list[Gate]


class ScheduleSummary(Answer):
    """A recurring schedule without its payload; give its `etag` with a change, so that nobody else's change is lost."""

    id: UUID
    name: str
    handler: str
    queue: str
    priority: str
    every: float | None
    cron: str | None
    timezone: str
    specs: list[dict[str, Any]] | None
    dst: dict[str, str | None]
    exclusions: list[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime | None
    max_fires: int | None
    jitter: float
    misfire: dict[str, Any]
    overlap: str
    max_attempts: int
    timeout: float | None
    backoff: dict[str, float] | None
    removal_delay: float
    delivery: str
    tags: list[str]
    next_run_at: datetime | None
    last_run_at: datetime | None
    paused_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None
    expires_after: float | None
    fired: int
    failures: int
    last_error: str | None
    retry_at: datetime | None
    pause_reason: str | None
    source: str
    managed_by: str | None
    etag: str
    created_at: datetime
    updated_at: datetime


class Schedule(ScheduleSummary):
    """A recurring schedule with its payload."""

    payload: dict[str, Any] | None
    notify: list[Told] = []
    unreadable: dict[str, str]


class Fire(Answer):
    """What became of one nominal time of a schedule."""

    nominal_at: datetime
    outcome: str
    reason: str
    task_id: UUID | None
    recorded_at: datetime | None


class Fired(Answer):
    """The task of one nominal time."""

    nominal_at: datetime
    task_id: UUID


class Nominal(Answer):
    """A nominal time to come: whether it is excluded, and what a clock change does to it."""

    at: datetime
    local: str
    excluded: str | None
    change: str | None


class Preview(Answer):
    """The next nominal times of a rule, in words and one by one."""

    description: str
    data: list[Nominal]


class QueueSettings(Answer):
    """What keeps a queue back."""

    name: str
    paused: bool
    paused_at: datetime | None
    paused_until: datetime | None
    rate: float | None
    concurrency: int | None


class Queue(QueueSettings):
    """A queue with the tasks in it, and for how many seconds its oldest ready task has been ready."""

    ready: int
    waiting: int
    queued: int
    running: int
    oldest_seconds: float | None


class Executor(Answer):
    """A live executor, what it serves, and how many tasks it holds."""

    id: UUID
    hostname: str
    pid: int
    queues: list[str]
    handlers: list[str]
    running: int
    started_at: datetime
    heartbeat_at: datetime


class Verdict(Answer):
    """Whether it is so, and if not, why."""

    ok: bool
    reasons: list[str]


class Handler(Answer):
    """A handler as its executors publish it; `arguments` is the JSON Schema of its payload."""

    name: str
    queue: str | None
    description: str
    arguments: dict[str, Any]
    variants: list[dict[str, Any]]
    executors: list[UUID]
    first_seen_at: datetime
    last_seen_at: datetime


class StoredRule(Answer):
    """A notification rule; of its target only the kind and whereto are shown."""

    id: UUID
    name: str
    on: list[str]
    handler: str | None
    queue: str | None
    tag: str | None
    late_after: float | None = None
    kind: str | None
    email: str | None
    webhook: str | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime
