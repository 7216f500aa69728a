"""The handlers that are measured. Each run leaves the id of its task in a ledger, so that each id can be counted.

A run is one `write` of 16 bytes on a descriptor that was opened with O_APPEND before the children were forked, about a
microsecond: ids of many processes never mix.
"""

import os
import threading
from pathlib import Path
from typing import Any

from celery import shared_task
from pydantic_settings import BaseSettings


class Surroundings(BaseSettings):
    """Where the ledger is."""

    bench_ledger: Path


_LEDGER = os.open(Surroundings.model_validate({}).bench_ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(task: Any) -> None:
    os.write(_LEDGER, bytes.fromhex(task.request.id.replace("-", "")))


@shared_task(name="bench.noop", bind=True)
def noop(self: Any, /, **_: Any) -> None:
    """Do nothing."""
    _note(self)


@shared_task(name="bench.anoop", bind=True)
async def anoop(self: Any, /, **_: Any) -> None:
    """Do nothing, as a coroutine."""
    _note(self)


@shared_task(name="bench.block", bind=True)
def block(self: Any, seconds: float) -> None:
    """Hold the child for so long, as a handler that computes does."""
    threading.Event().wait(seconds)
    _note(self)


@shared_task(name="bench.slow", bind=True)
def slow(self: Any, seconds: float) -> None:
    """Do the same under another name, so that nothing is learnt about the one from the other."""
    threading.Event().wait(seconds)
    _note(self)
