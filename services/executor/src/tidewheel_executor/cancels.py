"""Stops running tasks whose cancellation was asked for: first by asking their child, then by killing it."""

import os
import signal
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from celery.worker import state

from tidewheel_common.store.engine import Engine
from tidewheel_executor.aborts import give_order
from tidewheel_executor.executor import Executor
from tidewheel_executor.heartbeat_queries import tasks_cancelling

EVERY = 1.0
"""Seconds between two looks for cancellations, if no wake-up says that there is one."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Cancels:
    """Looks for cancellations of what this executor runs.

    Args:
        executor: whose tasks.
        engine: the database.
    """

    def __init__(self, executor: Executor, engine: Engine) -> None:
        self._executor = executor
        self._engine = engine
        self._asked: set[tuple[UUID, int]] = set()

    async def tick(self) -> float | None:
        """Ask those that were not asked yet, and end those that have had their time."""
        async with self._engine.connect() as connection:
            rows = await tasks_cancelling(connection, self._executor.id)
        waited = {(row.id, row.attempt): float(row.seconds) for row in rows}
        self._asked &= waited.keys()
        for request in _running() if waited else ():
            concerned = {key: waited[key] for key in request.attempts if key in waited}
            if concerned:
                self._stop(request, concerned)
        return None

    def _stop(self, request: Any, concerned: dict[tuple[UUID, int], float]) -> None:
        with suppress(ProcessLookupError):  # its child has just ended
            if max(concerned.values()) >= self._executor.settings.cancel_grace:
                log.warning("child is killed for a cancelled task", task_ids=[str(each) for each, _ in concerned])
                request.cut_off = True
                os.kill(request.worker_pid, signal.SIGKILL)
            elif concerned.keys() - self._asked:
                give_order(self._executor.metrics_directory, request.worker_pid, concerned)
                self._asked |= concerned.keys()


def _running() -> list[Any]:
    """Return the messages that children run; Celery's own thread changes the set, so it may have to be asked again."""
    with suppress(RuntimeError):
        return [request for request in state.active_requests if getattr(request, "attempts", ())]
    return []
