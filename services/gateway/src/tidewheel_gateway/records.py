"""Rows as the gateway reads and writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from tidewheel_common.core.lifecycle import State
from tidewheel_common.streams.stream import Line


class TaskRow(NamedTuple):
    """A task to be inserted. A plain tuple, because a flight of them is turned into one array per column."""

    id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    priority: int
    payload: bytes
    max_attempts: int
    timeout: float | None
    backoff: str | None
    removal_delay: float
    delivery: str
    tags: str
    traceparent: str | None
    run_at: datetime | None
    delay: timedelta
    expires_at: datetime | None
    awaited: bool = False
    pending_parents: int = 0
    on_parent_failure: str | None = None
    unique_key: str | None = None
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    notify: bytes | None = None
    owes: bool = False
    late_after: timedelta | None = None


Straight = Mapping[Line, Sequence[TaskRow]]
"""Tasks that may go straight to their streams, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """An idempotency key and the request that it came with."""

    tenant_id: UUID
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Tasks that are accepted together or not at all.

    Attributes:
        rows: the tasks.
        key: the idempotency key that they came with.
        places: for each item of the request the id of its task, or None where the item was refused; kept with the key.
    """

    rows: tuple[TaskRow, ...]
    key: KeyUse | None = None
    places: tuple[UUID | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The tasks are committed.

    Attributes:
        at: when, by the database's clock.
        held: queues in which none of them went straight to its stream, because something is set for the queue.
    """

    at: datetime
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """Another request has committed under this key."""


@dataclass(frozen=True, slots=True)
class KeyBusy:
    """Another request is being processed under this key."""


@dataclass(frozen=True, slots=True)
class UniqueTaken:
    """Another task that is not final has the unique key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One parent of one task, the n-th that it named; `outcome` is its final state where it counts already."""

    task_id: UUID
    parent_id: UUID
    place: int
    outcome: State | None = None


Acceptance = Accepted | KeyTaken | KeyBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What an idempotency key stands for."""

    fingerprint: bytes
    task_ids: tuple[UUID | None, ...]
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task as it is stored; payload, result, error and `notify` are sealed, `backoff` is JSON text."""

    id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    priority: int
    state: State
    payload: bytes
    result: bytes | None
    error: bytes | None
    error_type: str | None
    reason: str | None
    attempt: int
    failures: int
    lost: int
    max_attempts: int
    timeout: float | None
    backoff: str | None
    removal_delay: float
    delivery: str
    tags: list[str]
    traceparent: str | None
    schedule_id: UUID | None
    nominal_at: datetime | None
    run_at: datetime
    expires_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    executor_id: UUID | None
    wait_until: datetime | None
    ready_at: datetime | None
    queued_at: datetime | None
    lease_until: datetime | None
    remove_at: datetime | None
    pending_parents: int = 0
    on_parent_failure: str | None = None
    unique_key: str | None = None
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    notify: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt of a task; its error and the `meta` of its progress are sealed."""

    attempt: int
    executor_id: UUID | None
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    error: bytes | None
    error_type: str | None
    progress_state: str | None
    progress_meta: bytes | None
    progress_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """Some lines of an attempt's log, sealed."""

    attempt: int
    part: int
    lines: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A recurring schedule as it is stored; payload and `notify` are sealed, `backoff` and `rule` are JSON texts.

    `late_after` is the shortest of those in `notify`, for the scheduler, which cannot open that.
    """

    id: UUID
    tenant_id: UUID
    name: str
    handler: str
    queue: str
    priority: int
    payload: bytes
    every: float | None
    cron: str | None
    timezone: str
    rule: str
    overlap: str
    max_attempts: int
    timeout: float | None
    backoff: str | None
    removal_delay: float
    delivery: str
    tags: list[str]
    source: str
    fired: int
    starts_at: datetime
    next_run_at: datetime | None
    last_run_at: datetime | None
    paused_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime
    managed_by: str | None = None
    pause_reason: str | None = None
    failures: int = 0
    last_error: str | None = None
    retry_at: datetime | None = None
    notify: bytes | None = None
    late_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRecord:
    """One entry of a schedule's ledger; `fired_at` is when it was written, None where that is not read."""

    nominal_at: datetime
    outcome: str
    reason: str
    task_id: UUID | None
    fired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorRecord:
    """An executor and when it was last heard of."""

    id: UUID
    hostname: str
    pid: int
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How many executors live, serve a handler, and serve it on a certain queue; as of `now`, the database's clock."""

    now: datetime
    live: int
    serving_handler: int
    serving: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """Whose an API key is, and the SHA-256 of its secret."""

    tenant_id: UUID
    secret_hash: bytes
