"""Forgets executors that are gone for good, so that the list of executors shows the living."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from tidewheel_scheduler import queries

EVERY = 60.0
"""Seconds between looks."""

SILENCE = 3600.0
"""Seconds without a heartbeat after which an executor's row goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Deletes the rows of executors that have long been silent."""

    engine: AsyncEngine

    async def tick(self, now: datetime | None = None) -> float | None:
        """Forget every such executor; there are few."""
        async with self.engine.begin() as connection:
            await queries.executors_forget(connection, now=now, silence=SILENCE)
        return None
