"""Claiming: from hints that may be late or doubled to tasks that this executor, and no other, runs now."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from tidewheel_common.streams.hint import Hint
from tidewheel_executor import queries
from tidewheel_executor.lost import give_back
from tidewheel_executor.patience import Patience

CLAIM_PATIENCE = 15.0
"""Seconds for which a claim waits for PostgreSQL to come back. After that the hints are dropped: their tasks are
`queued`, and the dispatcher sends them again when they are overdue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A task that this executor holds under a lease."""

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
    parents: Mapping[UUID, bytes | None] = field(default_factory=dict)
    """The sealed results of the tasks that it depended on and that are complete, by their ids."""

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


def read_hints(raw: Sequence[Sequence[Any]]) -> list[Hint]:
    """Read the hints of a message, `[task id, attempt, handler, traceparent]` each; what came twice is read once."""
    hints = [
        Hint(task_id=UUID(hex=task_id), attempt=attempt, handler=handler, traceparent=traceparent)
        for task_id, attempt, handler, traceparent in raw
    ]
    return list({(hint.task_id, hint.attempt): hint for hint in hints}.values())


async def claim(
    engine: AsyncEngine, hints: Sequence[Hint], terms: Terms, *, hard_limit: float | None = None
) -> list[Claimed]:
    """Claim what the hints speak of, in one statement, and return it in their order. What is missing was stale.

    Args:
        engine: in autocommit mode.
        hints: in the order in which the tasks will run.
        terms: who claims, and for how long.
        hard_limit: seconds after which the whole batch is killed, if it is.

    Raises:
        SQLAlchemyError, OSError: PostgreSQL stayed away, or refused the statement.
    """
    if not hints:
        return []
    patience = Patience(time.monotonic() + CLAIM_PATIENCE)
    claimed = await _claim(engine, hints, terms, hard_limit, patience)
    if patience.tried:
        # An answer that was lost may have been a yes: what it claimed nobody runs.
        got = {task.task_id for task in claimed}
        await give_back(engine, terms.executor_id, [hint for hint in hints if hint.task_id not in got])
    return claimed


async def _claim(
    engine: AsyncEngine, hints: Sequence[Hint], terms: Terms, hard_limit: float | None, patience: Patience
) -> list[Claimed]:
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
            return [_claimed(row, hints[row.place - 1], started) for row in sorted(rows, key=_place)]


def _place(row: Row[Any]) -> int:
    place: int = row.place
    return place


def _claimed(row: Row[Any], hint: Hint, started: float) -> Claimed:
    return Claimed(
        task_id=row.id,
        tenant_id=row.tenant_id,
        handler=row.handler,
        queue=row.queue,
        payload=row.payload,
        attempt=row.attempt,
        failures=row.failures,
        lost=row.lost,
        max_attempts=row.max_attempts,
        timeout=row.timeout,
        backoff=row.backoff,
        delivery=row.delivery,
        schedule_id=row.schedule_id,
        traceparent=hint.traceparent or row.traceparent,
        started_at=row.started_at,
        started=started,
        lease=row.lease,
        parents=dict(zip(row.parent_ids or (), row.parent_results or (), strict=True)),
    )
