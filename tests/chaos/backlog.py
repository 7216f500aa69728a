"""Asks the database whether due tasks are picked up as fast as usual."""

import asyncpg
from tests.chaos.checkers import PUNCTUAL
from tests.chaos.ledger import instant
from tests.support import wait_until

_PATIENCE = 60.0  # seconds

_LATE = (
    "SELECT EXISTS (SELECT FROM tasks WHERE state IN ('ready', 'queued') "
    "AND clock_timestamp() - run_at > make_interval(secs => $1))"
)


class Backlog:
    """The tasks that are due and not claimed.

    Args:
        database_url: past every proxy.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def until_usual(self) -> float:
        """Return when no due task had waited longer than 99 of 100 do without a fault; seconds since the epoch.

        Raises:
            AssertionError: it did not come to that in time.
        """
        await wait_until(self._is_usual, timeout=_PATIENCE, what="due tasks to be picked up as fast as usual")
        return instant()

    async def _is_usual(self) -> bool:
        connection = await asyncpg.connect(self._database_url)
        try:
            return not await connection.fetchval(_LATE, PUNCTUAL)
        finally:
            await connection.close()
