"""Giving up attempts that nobody carries on: of a child that has died, or of a claim whose answer was lost."""

import random
from collections.abc import Callable, Sequence
from uuid import UUID

from tidewheel_common.core.decide import decide
from tidewheel_common.core.outcome import Cancelled, Interrupted, Lost
from tidewheel_common.core.task import Delivery
from tidewheel_common.store.engine import Engine
from tidewheel_common.store.rows import Row
from tidewheel_common.streams.hint import Hint
from tidewheel_executor import queries
from tidewheel_executor.standing import pause_of, standing_of

Jitter = Callable[[], float]


async def report_lost(
    engine: Engine,
    executor_id: UUID,
    hints: Sequence[Hint],
    ago: float | None = None,
    *,
    jitter: Jitter = random.random,
) -> int:
    """Give up the attempts of a message whose child died, and return how many tasks that were.

    What the child had finished, or not claimed, is left alone. Being lost costs no failure. A task that is lost too
    often is `dead`, and so is one that must not run twice.

    Args:
        engine: the database.
        executor_id: whose child it was.
        hints: what the message said.
        ago: seconds; what was claimed since is left alone, as another child's. None: whatever was claimed.
        jitter: draws from [0, 1).

    Raises:
        StoreError, OSError: PostgreSQL is away. The scheduler rescues the tasks when their leases have ended.
    """
    return await _give_up(engine, executor_id, hints, lambda _: Lost(), jitter, ago=ago)


async def report_interrupted(engine: Engine, executor_id: UUID, hints: Sequence[Hint], ago: float | None = None) -> int:
    """Give back the attempts that this executor has cut off itself, and return how many tasks that were.

    They may run again at once; what must not run twice is `dead`. The arguments are those of `report_lost`.

    Raises:
        StoreError, OSError: PostgreSQL is away. The scheduler rescues the tasks when the heartbeat is stale.
    """
    return await _give_up(engine, executor_id, hints, _interrupted, random.random, ago=ago)


def _interrupted(row: Row) -> Lost | Interrupted | Cancelled:
    if row.cancel_requested:
        return Cancelled()
    return Lost() if row.delivery == Delivery.AT_MOST_ONCE else Interrupted(pause_of(row))


async def give_back(engine: Engine, executor_id: UUID, hints: Sequence[Hint]) -> int:
    """Give back what was claimed and never begun; it may run again at once, whatever its delivery.

    Raises:
        StoreError, OSError: PostgreSQL is away.
    """
    return await _give_up(engine, executor_id, hints, lambda row: Interrupted(pause_of(row)), lambda: 0.0)


async def _give_up(
    engine: Engine,
    executor_id: UUID,
    hints: Sequence[Hint],
    judge: Callable[[Row], Lost | Interrupted | Cancelled],
    jitter: Jitter,
    *,
    ago: float | None = None,
) -> int:
    if not hints:
        return 0
    async with engine.connect() as connection:
        abandoned = await queries.tasks_abandoned(
            connection,
            ids=[hint.task_id for hint in hints],
            attempts=[hint.attempt for hint in hints],
            executor_id=executor_id,
            ago=ago,
        )
        endings = queries.Endings()
        for row in abandoned:
            standing = standing_of(row, row.max_attempts, cancel_requested=row.cancel_requested)
            endings.add(row.id, row.attempt, decide(standing, judge(row), jitter=jitter()))
        return len(await queries.tasks_finish(connection, endings)) if endings else 0
