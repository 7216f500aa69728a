"""The handlers of the rig: each start and each end goes into the ledger, whatever becomes of the attempt."""

import asyncio
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from pydantic_settings import BaseSettings
from tests.chaos import ledger


class Surroundings(BaseSettings):
    """Where the ledger is, what turns the monotonic clock into the rig's, and which executor this is."""

    chaos_ledger: Path
    chaos_epoch: float
    chaos_process: str


class PlannedFailure(Exception):
    """What a handler fails with when the task asks for it."""


_HERE = Surroundings.model_validate({})


def _note(task: Any, what: str, who: str) -> None:
    ledger.append(
        _HERE.chaos_ledger,
        what=what,
        task=task.request.id,
        attempt=task.request.attempt,
        who=who,
        executor=_HERE.chaos_process,
        at=time.monotonic() + _HERE.chaos_epoch,  # a fault may have moved the clock of this process
    )


@shared_task(name="chaos.touch", bind=True)
def touch(self: Any, who: str, failures: int = 0, canary: str = "") -> dict[str, Any]:
    """Fail so many times, then succeed."""
    _note(self, "start", who)
    failed = self.request.retries < failures
    _note(self, "end", who)
    if failed:
        raise PlannedFailure(canary)
    return {"attempt": self.request.attempt, "canary": canary}


@shared_task(name="chaos.linger", bind=True)
async def linger(self: Any, who: str, seconds: float, canary: str = "") -> dict[str, Any]:
    """Take a while."""
    _note(self, "start", who)
    try:
        await asyncio.sleep(seconds)
    finally:
        _note(self, "end", who)
    return {"attempt": self.request.attempt, "canary": canary}
