"""The fields that tasks and schedules are made of, as keyword arguments; the API's document says their limits."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from tidewheel_client.values import Duration, Id, Instant, Payload

Priority = Literal["high", "medium", "low"]
Delivery = Literal["at_least_once", "at_most_once"]
OnParentFailure = Literal["cancel", "run", "block"]
Overlap = Literal["allow", "skip", "queue_one", "cancel_running"]


Event = Literal["complete", "dead", "late", "missed"]
"""What somebody may be told of; `missed` is said of schedules only."""


class Backoff(TypedDict, total=False):
    """How far apart a failing task is tried: `min(max, initial * factor^(failures - 1))` seconds, give or take."""

    initial: Duration
    factor: float
    max: Duration
    jitter: float


class Sibling(TypedDict):
    """A parent in the same batch, by its place there."""

    index: int


class Notify(TypedDict, total=False):
    """Whom to tell: exactly one of `email`, `slack` and `webhook`, which is signed with each of its `secrets`.

    A task's `late` needs `late_after`: how long after its `run_at`.
    """

    on: Required[Sequence[Event]]
    late_after: Duration | None
    email: str
    slack: str
    webhook: str
    secrets: Sequence[str]


class _Run(TypedDict, total=False):
    queue: str
    priority: Priority
    timeout: Duration | None
    max_attempts: int
    backoff: Backoff | None
    removal_delay: Duration
    delivery: Delivery
    tags: Sequence[str]


class TaskOptions(_Run, total=False):
    """What may be said of a task besides its handler and its payload.

    `run_at` or `delay` say when; `depends_on` takes ids, tasks, handles, or `{"index": n}` inside a batch.
    """

    run_at: Instant | None
    delay: Duration | None
    expires_at: Instant | None
    depends_on: Sequence[Id | Sibling]
    on_parent_failure: OnParentFailure
    concurrency_key: str | None
    concurrency_limit: int | None
    unique_key: str | None
    notify: Sequence[Notify]


class NewTask(TaskOptions, total=False):
    """A task of a batch."""

    handler: Required[str]
    payload: Payload


class TaskChanges(TypedDict, total=False):
    """What may be changed of a task that has not been queued; None clears `timeout` and `expires_at`."""

    run_at: Instant
    priority: Priority
    expires_at: Instant | None
    max_attempts: int
    timeout: Duration | None
    removal_delay: Duration
    tags: Sequence[str]


class TaskFilter(TypedDict, total=False):
    """Which tasks are listed; `limit` is the size of a page."""

    state: str | Sequence[str]
    queue: str
    handler: str
    tag: str
    error_type: str
    reason: str
    schedule: Id
    created_after: Instant
    created_before: Instant
    limit: int


class Spec(TypedDict, total=False):
    """One of several rules: exactly one of its fields."""

    every: Duration | None
    cron: str | None
    rrule: str | None
    solar: Mapping[str, Any] | None


class Rule(TypedDict, total=False):
    """When a schedule fires: `every`, `cron` or `specs`, in a time zone."""

    every: Duration | None
    cron: str | None
    specs: Sequence[Spec] | None
    timezone: str
    dst: Mapping[str, str | None]
    exclusions: Sequence[Mapping[str, Any]]
    starts_at: Instant | None
    ends_at: Instant | None


class RulePreview(Rule, total=False):
    """A rule to look at: `count` of its times, those after `after`."""

    after: Instant | None
    count: int


class ScheduleOptions(_Run, Rule, total=False):
    """What may be said of a schedule besides its name, its handler and its payload."""

    max_fires: int | None
    jitter: Duration
    misfire: Mapping[str, Any]
    overlap: Overlap
    expires_after: Duration | None
    notify: Sequence[Notify]
    managed_by: str | None


class ScheduleChanges(ScheduleOptions, total=False):
    """What may be changed of a schedule; what is left out stays as it is."""

    name: str
    handler: str
    payload: Payload


class ScheduleFilter(TypedDict, total=False):
    """Which schedules are listed; `limit` is the size of a page."""

    managed_by: str
    name: str
    limit: int


class QueueLimits(TypedDict, total=False):
    """`rate` tasks a second, `concurrency` tasks at once; None lifts a limit."""

    rate: float | None
    concurrency: int | None


class NotificationRule(TypedDict, total=False):
    """`name`, `on` and one of `email`, `slack` and `webhook` (with `secrets`); patterns have `*` for anything."""

    name: str
    on: Sequence[Event]
    late_after: Duration | None
    handler: str | None
    queue: str | None
    tag: str | None
    email: str | None
    slack: str | None
    webhook: str | None
    secrets: Sequence[str] | None
