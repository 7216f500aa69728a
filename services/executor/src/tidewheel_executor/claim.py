"""Claiming: from hints that may be late or doubled to tasks that this executor, and no other, runs now."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from tidewheel_common.store.engine import Engine
from tidewheel_common.store.rows import Row
from tidewheel_common.streams.bundle import read_bundles
from tidewheel_common.streams.hint import Hint
from tidewheel_executor import queries
from tidewheel_executor.lost import give_back
from tidewheel_executor.patience import Patience

CLAIM_PATIENCE = 15.0
"""Seconds for which a claim waits for PostgreSQL to come back. After that the hints are dropped: their tasks are
`queued`, and the dispatcher sends them again when they are overdue."""

LONGEST = 365 * 86400.0
"""Seconds that a task may take at the most; an instant so far away can still be written."""

NO_PARENTS: Mapping[UUID, bytes | None] = MappingProxyType({})


class Claimed(NamedTuple):
    """A task that this executor holds under a lease. A plain tuple, because a batch has hundreds."""

    task_id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    payload: bytes | None
    """None while it is still to be read: it is large."""
    attempt: int
    failures: int
    lost: int
    max_attempts: int
    timeout: float
    """Seconds; the executor's default when the task has none."""
    backoff: dict[str, Any] | None
    """The task's own policy."""
    delivery: str
    schedule_id: UUID | None
    traceparent: str | None
    started_at: datetime
    started: float
    """`time.monotonic()` a moment before `started_at`: what ties the database's clock to this process."""
    lease: float
    """Seconds from the start."""
    linked: bool
    """Whether it depended on other tasks, whose results are read later."""
    parents: Mapping[UUID, bytes | None] = NO_PARENTS
    """The sealed results of the tasks that it depended on and that are complete, by their ids."""
    order: Sequence[UUID] = ()
    """All tasks that it depended on, in the order in which it named them."""

    @property
    def lease_ends(self) -> float:
        """When another executor may take the task over, as `time.monotonic()`; rather too early than too late."""
        return self.started + self.lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what terms an executor claims. Durations are seconds."""

    executor_id: UUID
    default_timeout: float = 300.0
    grace: float = 10.0


def read_hints(bundles: Sequence[str]) -> list[Hint]:
    """Read the hints of a message's bundles; what came twice is read once."""
    return list({(hint.task_id, hint.attempt): hint for hint in read_bundles(bundles)}.values())


async def claim(
    engine: Engine, hints: Sequence[Hint], terms: Terms, *, hard_limit: float | None = None
) -> list[Claimed]:
    """Claim what the hints speak of, in one statement, and return it in their order; what is missing was stale.

    Args:
        engine: the database.
        hints: in the order in which the tasks will run.
        terms: who claims, and for how long.
        hard_limit: seconds after which the whole batch is killed, if it is.

    Raises:
        StoreError, OSError: PostgreSQL stayed away, or refused the statement.
    """
    if not hints:
        return []
    patience = Patience(time.monotonic() + CLAIM_PATIENCE)
    rows, started = await _claim(engine, hints, terms, hard_limit, patience)
    if patience.tried:
        # An answer that was lost may have been a yes: what it claimed nobody runs.
        await give_back(engine, terms.executor_id, [hint for hint in hints if (hint.task_id, hint.attempt) not in rows])
    return [
        _claimed(row, hint, terms, started, lease)
        for hint, lease in zip(hints, leases(hints, terms, hard_limit), strict=True)
        if (row := rows.get((hint.task_id, hint.attempt))) is not None
    ]


def leases(hints: Sequence[Hint], terms: Terms, hard_limit: float | None) -> list[float]:
    """Return for how many seconds each task is to be held: until all before it, and itself, have had their time.

    After its hard limit the child of a batch is killed, so no lease need be longer.

    Args:
        hints: in the order in which the tasks will run.
        terms: what a task has that asks for no timeout, and how much longer it is held.
        hard_limit: seconds after which the whole batch is killed, if it is.
    """
    most = math.inf if hard_limit is None else hard_limit
    ends = accumulate(timeout_of(hint.timeout, terms) for hint in hints)
    return [min(end, most) + terms.grace for end in ends]


def timeout_of(own: float | None, terms: Terms) -> float:
    """Return the seconds that a task may take; what is no time at all (NaN) is the longest."""
    wanted = terms.default_timeout if own is None else own
    return min(LONGEST, wanted)


async def _claim(
    engine: Engine, hints: Sequence[Hint], terms: Terms, hard_limit: float | None, patience: Patience
) -> tuple[Mapping[tuple[UUID, int], Row], float]:
    """Return the rows by what their hints say of them, and a moment before they were claimed."""
    while True:
        started = time.monotonic()
        try:
            async with engine.connect() as connection:
                rows = await queries.tasks_claim(
                    connection,
                    ids=[hint.task_id for hint in hints],
                    attempts=[hint.attempt for hint in hints],
                    leases=leases(hints, terms, hard_limit),
                    executor_id=terms.executor_id,
                )
        except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
            await patience.endure(error)
        else:
            return {(row.id, row.attempt - 1): row for row in rows}, started


def _claimed(row: Row, hint: Hint, terms: Terms, started: float, lease: float) -> Claimed:
    # The statement returns its columns in the order of this tuple: to look each up by name takes four times as long.
    *facts, timeout, backoff, delivery, schedule_id, traceparent, started_at, linked = row
    held = (timeout_of(timeout, terms), backoff, delivery, schedule_id, hint.traceparent or traceparent, started_at)
    return Claimed._make((*facts, *held, started, lease, linked, NO_PARENTS, ()))
