"""The executor's signs of life, given so that nothing but its end, or PostgreSQL's, keeps the next one from coming."""

import asyncio

from tidewheel_common.process.failpoints import fp
from tidewheel_common.store.engine import open_engine
from tidewheel_executor.heartbeat_queries import Presence, beat

NAME = "tidewheel-executor"

LONGEST = 4.0
"""Seconds that a sign of life may take. After an outage an executor has half of the staleness to be heard again, and a
connection whose answers vanish may not tell for minutes that it is dead."""


class Beat:
    """Says every now and then that an executor is alive, over a connection that nothing else hangs on.

    Args:
        database_url: where.
        presence: what the executor says of itself.
        longest: seconds that one sign may take.
    """

    def __init__(self, database_url: str, presence: Presence, *, longest: float = LONGEST) -> None:
        # A sign that a crash of PostgreSQL undoes is given again: it need not wait for the disk.
        self._engine = open_engine(database_url, application_name=NAME, pool_size=1, synchronous_commit=False)
        self._presence = presence
        self._longest = longest

    async def tick(self) -> None:
        """Give one sign.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: PostgreSQL is away, or does not answer.
        """
        fp("executor.beating")
        async with asyncio.timeout(self._longest), self._engine.connect() as connection:
            await beat(connection, self._presence)

    async def close(self) -> None:
        """Close the connection."""
        await self._engine.dispose()
