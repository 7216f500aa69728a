"""Deletes final tasks whose removal delay has passed. Never one that is not final."""

from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_reaper import queries
from tidewheel_reaper.metrics import ReaperMetrics

BATCH = 1000
"""Tasks that one tick deletes at most."""

SHORTEST_PAUSE = 0.1
"""Seconds; a row that is due and still there is held by somebody else."""


class Remove:
    """Deletes tasks, the longest due first."""

    def __init__(self, engine: Engine, metrics: ReaperMetrics, *, batch: int = BATCH) -> None:
        self._engine = engine
        self._metrics = metrics
        self._batch = batch

    async def tick(self) -> float | None:
        """Delete one batch, and say when the next task is due."""
        async with self._engine.connect() as connection:
            fp("reaper.choosing")
            removed = await queries.tasks_remove(connection, most=self._batch)
            fp("reaper.removed")
            self._metrics.removed.inc(removed)
            if removed == self._batch:
                return AGAIN
            seconds = await queries.tasks_next_removal(connection)
        return None if seconds is None else max(SHORTEST_PAUSE, seconds)
