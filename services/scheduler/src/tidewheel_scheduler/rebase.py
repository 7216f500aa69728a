"""Counts pauses between attempts anew after the database's clock has gone back: they are spans of time, not instants.

A pause that began at an hour that has not come yet would last until that hour and then some. What a person has asked
for at an instant stays where it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries

BATCH = 1000
EVERY = 1.0
"""Seconds between looks whether the clock has jumped."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Rebase:
    """Looks after each jump, and once at the start, for pauses that began in the future."""

    engine: Engine
    slack: float
    """Seconds ahead of the clock from which on an instant is from before a jump."""
    wake_promote: Callable[[], None]
    size: int = BATCH
    settled: datetime | None = None
    """The last jump after which nothing is left to do."""

    async def tick(self, now: datetime | None = None) -> float | None:
        """Move one batch."""
        async with self.engine.begin() as connection:
            jumped_at = await queries.clock_jumped(connection)
            if jumped_at == self.settled:
                return None
            moved = await queries.pauses_rebase(connection, now=now, slack=self.slack, size=self.size)
        if moved:
            log.warning("the clock went back: pauses between attempts count anew", tasks=moved)
            self.wake_promote()
        if moved == self.size:
            return AGAIN
        self.settled = jumped_at
        return None
