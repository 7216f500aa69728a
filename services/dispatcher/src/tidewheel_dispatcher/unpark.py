"""Lets parked tasks come back as soon as an executor serves their handler.

A parked task is ready in the future. After the database's clock has gone back, so is every other one that was ready
before: then all that is served comes back, as if it had just appeared. Asking for the last jump bears witness, too.
"""

from datetime import datetime

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.served import Roster, handlers_of

BATCH = 1000


class Unpark:
    """Acts on what has newly appeared in the roster."""

    def __init__(self, engine: Engine, roster: Roster, metrics: DispatcherMetrics) -> None:
        self._engine = engine
        self._roster = roster
        self._metrics = metrics
        self._jumped_at: datetime | None = None

    async def tick(self) -> float | None:
        """Bring back at most one batch of each line."""
        await self._heed_jumps()
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

    async def _heed_jumps(self) -> None:
        async with self._engine.connect() as connection:
            jumped_at = await queries.watch_witness(connection)
        if jumped_at != self._jumped_at:
            self._roster.appeared |= self._roster.served.pairs
            self._jumped_at = jumped_at
