"""Takes back what is queued in paused queues, so that Redis holds nothing that may run."""

import structlog

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.metrics import DispatcherMetrics

BATCH = 1000

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Withdraw:
    """Looks at paused queues for as long as they are: a dispatch may have been under way when the pause came."""

    def __init__(self, engine: Engine, metrics: DispatcherMetrics) -> None:
        self._engine = engine
        self._metrics = metrics

    async def tick(self) -> float | None:
        """Take back one batch."""
        async with self._engine.connect() as connection:
            valves, now = await queries.queues_valves(connection)
            paused = [valve.name for valve in valves.values() if now is not None and valve.paused(now)]
            back = await queries.tasks_withdraw(connection, paused, most=BATCH) if paused else 0
        if back:
            log.info("queued tasks taken back: their queues are paused", tasks=back, queues=paused)
            self._metrics.withdrawn.inc(back)
        return AGAIN if back == BATCH else None
