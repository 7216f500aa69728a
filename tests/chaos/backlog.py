"""Asks the database whether due tasks are picked up as fast as usual, and lost ones run again."""

import asyncpg
from tests.chaos.checkers import PUNCTUAL
from tests.chaos.ledger import instant
from tests.support import wait_until

_PATIENCE = 60.0  # seconds

_LATE = (
    "SELECT EXISTS (SELECT FROM tasks WHERE state IN ('ready', 'queued') "
    "AND clock_timestamp() - run_at > make_interval(secs => $1))"
)

_LOST = (
    "SELECT EXISTS (SELECT FROM tasks WHERE state = 'running' AND NOT EXISTS (SELECT FROM executors "
    "WHERE id = tasks.executor_id AND heartbeat_at > clock_timestamp() - make_interval(secs => $1)))"
)

_SILENCE = 7.0
"""Seconds without a sign of life of an executor that gives one every three."""


class Backlog:
    """The tasks that are due and not claimed, and those that nobody runs any more.

    Args:
        database_url: past every proxy.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def until_usual(self) -> float:
        """Return when due tasks are picked up as fast as usual and no silent executor holds a task.

        As usual: none has waited longer than 99 of 100 do without a fault. The answer is in seconds since the epoch.

        Raises:
            AssertionError: it did not come to that in time.
        """
        await wait_until(self._is_usual, timeout=_PATIENCE, what="due tasks to be picked up as fast as usual")
        return instant()

    async def _is_usual(self) -> bool:
        connection = await asyncpg.connect(self._database_url)
        try:
            late = await connection.fetchval(_LATE, PUNCTUAL)
            return not late and not await connection.fetchval(_LOST, _SILENCE)
        finally:
            await connection.close()
