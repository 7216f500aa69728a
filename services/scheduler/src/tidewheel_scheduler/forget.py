"""Forgets executors and handlers that are gone for good, so that the lists of them show the living."""

from dataclasses import dataclass
from datetime import datetime

from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries

EVERY = 60.0
"""Seconds between looks."""

SILENCE = 3600.0
"""Seconds without a heartbeat after which an executor's row goes."""

UNSERVED = 7 * 86_400.0
"""Seconds after which a handler's row goes that no executor has had any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Deletes the rows of executors and handlers that have long been silent."""

    engine: Engine

    async def tick(self, now: datetime | None = None) -> float | None:
        """Forget every such row; there are few."""
        async with self.engine.begin() as connection:
            await queries.executors_forget(connection, now=now, silence=SILENCE)
            await queries.handlers_forget(connection, now=now, silence=UNSERVED)
        return None
