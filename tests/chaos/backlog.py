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

_ABANDONED = (
    "SELECT EXISTS (SELECT FROM tasks WHERE state = 'running' AND started_at < to_timestamp($1) AND NOT EXISTS "
    "(SELECT FROM executors WHERE id = tasks.executor_id AND heartbeat_at >= to_timestamp($1)))"
)

_HEARTBEAT = 4.0
"""Seconds within which an executor that lives has given a sign of life."""


class Backlog:
    """The tasks that are due and not claimed, and those that nobody runs any more.

    Args:
        database_url: past every proxy.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def until_usual(self, healed: float) -> float:
        """Return when everything flowed as usual again after a healing; both are seconds since the epoch.

        Due tasks wait no longer than 99 of 100 do without a fault, and every task that was running when the fault was
        healed is with an executor that has given a sign of life since, or has ended.

        Raises:
            AssertionError: it did not come to that in time.
        """
        await self._until_not(_LATE, PUNCTUAL)
        usual = instant()
        await self._until_not(_ABANDONED, healed)
        if instant() - usual > _HEARTBEAT:  # not the next sign of life was waited for, but a rescue
            await self._until_not(_LATE, PUNCTUAL)
            return instant()
        return usual

    async def _until_not(self, trouble: str, argument: float) -> None:
        async def is_over() -> bool:
            connection = await asyncpg.connect(self._database_url)
            try:
                return not await connection.fetchval(trouble, argument)
            finally:
                await connection.close()

        await wait_until(is_over, timeout=_PATIENCE, what="due and lost tasks to be picked up as fast as usual")
