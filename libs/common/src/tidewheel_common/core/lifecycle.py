"""The lifecycle of a task, as data.

This table is the heart of Tidewheel. From it come the `CHECK`s of the schema, the chart in `docs/lifecycle.md`, the
model of the property tests, and the test that holds each `-- transition:` header against its owner's folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a task is. Each member says who moves it on."""

    BLOCKED = "blocked"
    """Waits for the tasks that it depends on; the executor that finishes the last parent moves it on, or the scheduler
    when a parent ended in other hands."""
    WAITING = "waiting"
    """Not due: scheduled for later, or backing off before a retry; the scheduler promotes it."""
    READY = "ready"
    """Due, and not in Redis yet; the dispatcher pushes it."""
    QUEUED = "queued"
    """Pushed to a Redis Stream, or about to be; an executor claims it, the dispatcher takes it back when it is lost."""
    RUNNING = "running"
    """An executor holds it under a lease; that executor finishes it, the scheduler rescues it."""
    COMPLETE = "complete"
    """Final: the handler returned."""
    DEAD = "dead"
    """Final: attempts exhausted, or refused as poison. This is the dead letter queue; a person may redrive it."""
    CANCELLED = "cancelled"
    """Final: somebody cancelled it; a person may redrive it."""
    EXPIRED = "expired"
    """Final: it did not start before `expires_at`; a person may redrive it."""


class Owner(StrEnum):
    """The process that alone may take an edge."""

    GATEWAY = "gateway"
    SCHEDULER = "scheduler"
    DISPATCHER = "dispatcher"
    EXECUTOR = "executor"
    REAPER = "reaper"


@dataclass(frozen=True, slots=True)
class Edge:
    """One allowed change of state. `source` is None for a new task, `target` is None for a deleted one."""

    source: State | None
    target: State | None
    owner: Owner
    when: str


FINAL = frozenset({State.COMPLETE, State.DEAD, State.CANCELLED, State.EXPIRED})
"""States that nothing but a redrive or the reaper leaves."""

INITIAL = (State.BLOCKED, State.WAITING, State.READY, State.QUEUED)
"""States in which a task may be born."""


def _fan(
    sources: tuple[State | None, ...], targets: tuple[State | None, ...], owners: tuple[Owner, ...], when: str
) -> Iterator[Edge]:
    for source in sources:
        for target in targets:
            for owner in owners:
                yield Edge(source, target, owner, when)


EDGES: frozenset[Edge] = frozenset(
    [
        *_fan((None,), INITIAL, (Owner.GATEWAY,), "accepted"),
        *_fan((None,), (State.WAITING, State.READY), (Owner.SCHEDULER,), "a schedule fired"),
        *_fan((None,), (State.READY,), (Owner.EXECUTOR,), "a notification is due"),
        *_fan((State.WAITING,), (State.READY,), (Owner.SCHEDULER,), "`run_at` has come"),
        *_fan(
            (State.BLOCKED, State.WAITING, State.READY, State.QUEUED),
            (State.EXPIRED,),
            (Owner.SCHEDULER,),
            "`expires_at` has passed",
        ),
        *_fan((State.READY,), (State.QUEUED,), (Owner.DISPATCHER,), "pushed to the stream"),
        *_fan(
            (State.QUEUED,),
            (State.READY,),
            (Owner.DISPATCHER,),
            "Redis lost it, it is overdue, or its queue was paused",
        ),
        *_fan((State.QUEUED,), (State.READY,), (Owner.GATEWAY,), "its hint did not reach Redis"),
        *_fan((State.QUEUED,), (State.RUNNING,), (Owner.EXECUTOR,), "claimed"),
        *_fan((State.RUNNING,), (State.COMPLETE,), (Owner.EXECUTOR,), "the handler returned"),
        *_fan(
            (State.RUNNING,),
            (State.WAITING,),
            (Owner.EXECUTOR, Owner.SCHEDULER),
            "failed with attempts left, or its executor was lost",
        ),
        *_fan(
            (State.RUNNING,),
            (State.DEAD,),
            (Owner.EXECUTOR, Owner.SCHEDULER),
            "attempts exhausted, permanent error, or lost too often",
        ),
        *_fan(
            (State.RUNNING,),
            (State.CANCELLED,),
            (Owner.EXECUTOR, Owner.SCHEDULER),
            "a cancel took effect, or was asked for before the executor was lost",
        ),
        *_fan(
            (State.BLOCKED,),
            (State.WAITING, State.READY, State.CANCELLED),
            (Owner.EXECUTOR, Owner.SCHEDULER),
            "its parents finished, or one failed",
        ),
        *_fan(
            (State.BLOCKED, State.WAITING, State.READY, State.QUEUED),
            (State.CANCELLED,),
            (Owner.GATEWAY,),
            "cancelled by a caller",
        ),
        *_fan(
            (State.WAITING, State.READY, State.QUEUED),
            (State.CANCELLED,),
            (Owner.SCHEDULER,),
            "its schedule fired again and cancels the run before",
        ),
        *_fan((State.WAITING,), (State.READY,), (Owner.GATEWAY,), "a caller moved `run_at` to now"),
        *_fan((State.READY,), (State.WAITING,), (Owner.GATEWAY,), "a caller moved `run_at` to later"),
        *_fan(
            (State.DEAD, State.CANCELLED, State.EXPIRED),
            (State.READY,),
            (Owner.GATEWAY,),
            "redriven by a person",
        ),
        *_fan(
            (State.COMPLETE, State.DEAD, State.CANCELLED, State.EXPIRED),
            (None,),
            (Owner.REAPER,),
            "`remove_at` has passed",
        ),
    ]
)
"""Every change of state there is, each with its owner."""


SWEEP_COLUMNS: dict[str, frozenset[State]] = {
    "wait_until": frozenset({State.WAITING}),
    "ready_at": frozenset({State.READY}),
    "queued_at": frozenset({State.QUEUED, State.RUNNING}),
    "lease_until": frozenset({State.RUNNING}),
    "remove_at": FINAL,
}
"""Columns that are set exactly while a task is in one of these states (the schema CHECKs it).

A sweep finds its rows by such a column, never by `state`: as no index mentions `state`, a claim changes no indexed
column and stays a heap-only-tuple update.
"""


def edges_of(owner: Owner) -> frozenset[tuple[State | None, State | None]]:
    """Return the (source, target) pairs that an owner may take."""
    return frozenset((edge.source, edge.target) for edge in EDGES if edge.owner is owner)


def may_follow(source: State | None, target: State | None) -> bool:
    """Tell whether any owner may take a task from one state to another."""
    return any(edge.source is source and edge.target is target for edge in EDGES)


def sources_of(owner: Owner, target: State) -> frozenset[State]:
    """Return the states that an owner may leave for a target."""
    return frozenset(edge.source for edge in EDGES if edge.owner is owner and edge.target is target and edge.source)
