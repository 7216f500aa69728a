"""How a child is relieved of what waits beside a task that takes long: from a thread, over connections of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.streams.client import open_redis
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.batch import Runnable
from tidewheel_executor.claim import Claimed
from tidewheel_executor.figures import Figures
from tidewheel_executor.finish import Recorder
from tidewheel_executor.judge import Ended
from tidewheel_executor.lost import give_back
from tidewheel_executor.wakes import Wakes

NAME = "tidewheel-executor-watch"

LONGEST = 10.0
"""Seconds for one try."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Gives back tasks that were claimed and have not begun, and records how others ended.

    It is needed rarely, so it keeps nothing open.
    """

    database_url: str
    redis_url: str
    executor_id: UUID
    sealer: Sealer
    figures: Figures
    settle: Callable[[], Awaitable[None]]

    async def __call__(self, tasks: Sequence[Runnable], ended: Sequence[Ended]) -> None:
        """Record the endings, give the tasks back, and tell who waits for that.

        Raises:
            StoreError, OSError, TimeoutError: PostgreSQL is away; it may have been done all the same.
        """
        engine = open_engine(self.database_url, application_name=NAME, pool_size=1)
        redis = open_redis(self.redis_url, client_name=NAME, pool_size=1)
        wakes = Wakes(redis)
        try:
            async with asyncio.timeout(LONGEST):
                await self._record(engine, wakes, ended)
                given = await self._give_back(engine, [task for task, _ in tasks])
            log.info("neighbours of a long task relieved", recorded=len(ended), given_back=given)
            self.figures.relieved(given)
            await wakes.tell_of_given_back()
        finally:
            await redis.aclose()
            await engine.dispose()

    async def _record(self, engine: Engine, wakes: Wakes, ended: Sequence[Ended]) -> None:
        recorder = Recorder(engine, self.sealer, figures=self.figures, tell=wakes.tell, settle=self.settle)
        recorder.unrecorded.extend(ended)
        await recorder.flush()

    async def _give_back(self, engine: Engine, tasks: Sequence[Claimed]) -> int:
        hints = [Hint(task.task_id, task.attempt - 1, task.handler) for task in tasks]
        return await give_back(engine, self.executor_id, hints)
