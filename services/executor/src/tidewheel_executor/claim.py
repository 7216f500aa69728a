"""Claiming: from hints that may be late or doubled to tasks that this executor, and no other, runs now."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
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

NO_PARENTS: Mapping[UUID, bytes | None] = MappingProxyType({})


class Claimed(NamedTuple):
    """A task that this executor holds under a lease. A plain tuple, because a batch has hundreds."""

    task_id: UUID
    tenant_id: UUID
    handler: str
    queue: str
    payload: bytes
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
    """Claim what the hints speak of, in one statement, and return it in their order.

    What is missing was stale, or is left over.

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
        got = {row.id for row in rows}
        await give_back(engine, terms.executor_id, [hint for hint in hints if hint.task_id not in got])
    return [_claimed(row, hints, started) for row in rows]


def left_over(hints: Sequence[Hint], claimed: Sequence[Claimed]) -> Sequence[Hint]:
    """Return the hints that a claim left for the next one: those behind its last task, when there was no room for more.

    Args:
        hints: what was to be claimed, in its order.
        claimed: what came of it.
    """
    if sum(len(task.payload) for task in claimed) < queries.PAYLOAD_BYTES:
        return ()
    places = {hint.task_id: place for place, hint in enumerate(hints)}
    return hints[places[claimed[-1].task_id] + 1 :]


async def _claim(
    engine: Engine, hints: Sequence[Hint], terms: Terms, hard_limit: float | None, patience: Patience
) -> tuple[Sequence[Row], float]:
    """Return the rows, in the order of the hints, and a moment before they were claimed."""
    while True:
        started = time.monotonic()
        try:
            async with engine.connect() as connection:
                rows = await queries.tasks_claim(
                    connection,
                    ids=[hint.task_id for hint in hints],
                    attempts=[hint.attempt for hint in hints],
                    executor_id=terms.executor_id,
                    default_timeout=terms.default_timeout,
                    grace=terms.grace,
                    hard_limit=hard_limit,
                )
        except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
            await patience.endure(error)
        else:
            return sorted(rows, key=itemgetter("place")), started


def _claimed(row: Row, hints: Sequence[Hint], started: float) -> Claimed:
    # The statement returns its columns in the order of this tuple: to look each up by name takes four times as long.
    columns: tuple[Any, ...] = tuple(row)
    *facts, traceparent, started_at, lease, place, linked = columns
    trace = hints[place - 1].traceparent or traceparent
    return Claimed._make((*facts, trace, started_at, started, lease, linked, NO_PARENTS, ()))
