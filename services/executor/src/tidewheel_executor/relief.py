"""How a child gives back what waits behind a task that takes long: from a thread, over connections of its own."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from tidewheel_common.store.engine import open_engine
from tidewheel_common.streams.client import TRANSIENT, open_redis
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import WAKE_SCHEDULER
from tidewheel_executor.batch import Runnable
from tidewheel_executor.claim import Claimed
from tidewheel_executor.figures import Figures
from tidewheel_executor.lost import give_back

NAME = "tidewheel-executor-watch"

LONGEST = 10.0
"""Seconds for one try."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Gives back tasks that were claimed and have not begun. It is needed rarely, so it keeps nothing open."""

    database_url: str
    redis_url: str
    executor_id: UUID
    figures: Figures

    async def __call__(self, tasks: Sequence[Runnable]) -> None:
        """Give back, and tell the scheduler.

        Raises:
            SQLAlchemyError, OSError, TimeoutError: PostgreSQL is away; the tasks may have been given back all the same.
        """
        async with asyncio.timeout(LONGEST):
            given = await self._give_back([task for task, _ in tasks])
        log.info("neighbours of a long task given back", tasks=given)
        self.figures.relieved(given)
        await self._tell()

    async def _give_back(self, tasks: Sequence[Claimed]) -> int:
        engine = open_engine(self.database_url, application_name=NAME, pool_size=1, autocommit=True)
        try:
            hints = [Hint(task.task_id, task.attempt - 1, task.handler) for task in tasks]
            return await give_back(engine, self.executor_id, hints)
        finally:
            await engine.dispose()

    async def _tell(self) -> None:
        async with open_redis(self.redis_url, client_name=NAME, pool_size=1) as redis:
            with suppress(*TRANSIENT):
                await redis.publish(WAKE_SCHEDULER, "")
