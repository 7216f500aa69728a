"""Listens for wake-ups until the process stops."""

import asyncio
from dataclasses import dataclass

from tidewheel_common.streams.wake import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Waits for a wake-up; a stop ends the waiting at once."""

    listener: Listener
    stop: asyncio.Event

    async def tick(self) -> float | None:
        """Hear one wake-up, or nothing for a while."""
        hearing = asyncio.create_task(self.listener.tick())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await hearing if hearing.done() else None
        finally:
            for task in (hearing, stopping):
                task.cancel()
            await asyncio.gather(hearing, stopping, return_exceptions=True)
