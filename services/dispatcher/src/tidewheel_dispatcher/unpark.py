"""Lets parked tasks come back as soon as an executor serves their handler."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tidewheel_common.process.loop import AGAIN
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.served import Roster, handlers_of

BATCH = 1000


class Unpark:
    """Acts on what has newly appeared in the roster."""

    def __init__(self, engine: AsyncEngine, roster: Roster, metrics: DispatcherMetrics) -> None:
        self._engine = engine
        self._roster = roster
        self._metrics = metrics

    async def tick(self) -> float | None:
        """Bring back at most one batch of each line."""
        appeared = frozenset(self._roster.appeared)
        if not appeared:
            return None
        more = False
        async with self._engine.connect() as connection:
            for ready in await queries.lines_ready(connection):
                handlers = handlers_of(appeared, ready.line.queue)
                if ready.parked and handlers:
                    back = await queries.tasks_unpark(connection, ready.line, sorted(handlers), most=BATCH)
                    self._metrics.unparked.inc(back)
                    more = more or back == BATCH
        if more:
            return AGAIN
        self._roster.appeared -= appeared
        return None
