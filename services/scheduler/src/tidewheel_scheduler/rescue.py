"""Rescues tasks whose executor was lost: `running` -> `waiting`, `dead`, or `cancelled` when that was asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from tidewheel_common.core.decide import Standing, Transition, decide
from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.core.outcome import Lost
from tidewheel_common.core.task import Delivery, Retry
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.queries import LostTask, Verdict
from tidewheel_scheduler.ration import Ration
from tidewheel_scheduler.vigil import Vigil, hearing

BATCH = 500
EVERY = 1.0
"""Seconds between looks for lost tasks."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """Takes running tasks from executors that are silent or over their lease."""

    engine: Engine
    stale: float
    """Seconds without a heartbeat after which an executor is lost."""
    vigil: Vigil
    ration: Ration
    wake_promote: Callable[[], None]
    announce: Callable[[list[UUID]], None]
    counts: Counts
    jitter: Callable[[], float]
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Rescue one batch."""
        watched = await self.vigil.look(now)
        size = min(self.size, self.ration.left())
        if not watched.lasted(hearing(self.stale)) or not size:
            return None
        async with self.engine.begin() as connection:
            lost = await queries.tasks_lost(
                connection,
                now=watched.now,  # and not later: this process may have been frozen since, and everyone with it
                stale=self.stale,
                jumped_at=watched.jumped_at,
                slack=self.vigil.gap,
                size=size,
            )
            verdicts = list(judge(lost, self.jitter))
            if verdicts:
                fp("scheduler.rescuing")
            rescued = await queries.tasks_rescue(connection, verdicts, now=now) if verdicts else []
        self.ration.spend(len(rescued))
        self._tell(rescued)
        # A full batch of which nothing moved would come back for ever.
        return AGAIN if rescued and len(lost) >= size else None

    def _tell(self, rescued: list[tuple[UUID, State]]) -> None:
        if not rescued:
            return
        states = Counter(state for _, state in rescued)
        log.warning("tasks rescued", **{state.value: count for state, count in states.items()})
        for state, count in states.items():
            self.counts.rescued.labels(state=state.value).inc(count)
        if states[State.WAITING]:
            self.wake_promote()
        if final := [task_id for task_id, state in rescued if state in FINAL]:
            self.announce(final)


def judge(lost: Iterable[LostTask], jitter: Callable[[], float]) -> Iterator[Verdict]:
    """Decide what becomes of lost tasks; one that cannot be decided is logged and left out."""
    for task in lost:
        try:
            transition = _decide(task, jitter())
        except (ArithmeticError, LookupError, TypeError, ValueError):
            log.exception("lost task left alone", task_id=task.id)
            continue
        yield Verdict(id=task.id, attempt=task.attempt, transition=transition)


def _decide(task: LostTask, jitter: float) -> Transition:
    standing = Standing(
        failures=task.failures,
        lost=task.lost,
        delivery=Delivery(task.delivery),
        retry=Retry(max_attempts=task.max_attempts),
        cancel_requested=task.cancel_requested,
    )
    return decide(standing, Lost(), jitter=jitter)
