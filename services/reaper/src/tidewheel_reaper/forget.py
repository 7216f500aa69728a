"""Deletes what outlives its use: expired idempotency keys, old entries of ledgers, bulk operations that are over."""

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_reaper import queries
from tidewheel_reaper.metrics import ReaperMetrics

BATCH = 1000
"""Rows of each kind that one tick looks at."""

KEEP = 3600.0
"""Seconds for which an expired key is kept on when its tasks are still there."""

FIRES_AGE = 30 * 86_400.0
"""Seconds for which a fire stays in its schedule's ledger, where the settings do not say otherwise."""

OPERATIONS_AGE = 30 * 86_400.0
"""Seconds for which a bulk operation can be read after its end."""


class Forget:
    """Deletes idempotency keys, fires and bulk operations."""

    def __init__(
        self, engine: Engine, metrics: ReaperMetrics, *, batch: int = BATCH, fires_age: float = FIRES_AGE
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._batch = batch
        self._fires_age = fires_age

    async def tick(self) -> float | None:
        """Delete one batch of each."""
        async with self._engine.connect() as connection:
            keys = await queries.idempotency_keys_remove(connection, most=self._batch, keep=KEEP)
            fires = await queries.fires_remove(connection, most=self._batch, age=self._fires_age)
            operations = await queries.operations_remove(connection, most=self._batch, age=OPERATIONS_AGE)
        self._metrics.keys.inc(keys)
        self._metrics.fires.inc(fires)
        return AGAIN if self._batch in {keys, fires, operations} else None
