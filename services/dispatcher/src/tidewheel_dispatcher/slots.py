"""Lets parked tasks come back as soon as their concurrency key has a slot free.

A slot is a row that is queued or running, so nothing has to be given back. Who has no slot is parked out of the way of
the others in its line; here the first of each key are put in again, as many as there are slots.
"""

import asyncio

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.queries import Key

BATCH = 1000
"""Keys that one tick looks at."""

SOON = 0.05
"""Seconds between looks while there are keys with tasks in the lines."""


class Slots:
    """Walks over the concurrency keys, batch by batch.

    Args:
        engine: PostgreSQL, each statement a transaction of its own.
        wake: set when the relay has something to do.
    """

    def __init__(self, engine: Engine, *, wake: asyncio.Event, batch: int = BATCH) -> None:
        self._engine = engine
        self._wake = wake
        self._batch = batch
        self._after: Key | None = None

    async def tick(self) -> float | None:
        """Look at one batch."""
        async with self._engine.connect() as connection:
            if not await queries.keyed_ready(connection):
                self._after = None
                return None
            keys = await queries.keys_parked(connection, after=self._after, most=self._batch)
            free = [key for key in keys if key.free > 0]
            back = await queries.keys_unpark(connection, free) if free else 0
        if back:
            self._wake.set()
        self._after = keys[-1] if len(keys) == self._batch else None
        return SOON if self._after is None else AGAIN
