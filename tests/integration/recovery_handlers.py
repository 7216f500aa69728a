"""Handlers that write down each run where no restart of anything can touch it."""

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import shared_task


@shared_task(name="r.mark", bind=True)
def mark(self: Any, path: str, seconds: float = 0.0) -> None:
    """Write down the run, then take some time."""
    _note(path, f"{self.request.id} {self.request.attempt}")
    if seconds:
        threading.Event().wait(seconds)


@shared_task(name="r.block", bind=True)
def block(self: Any, path: str, until: str | None = None) -> None:
    """Write down the run; with `until`, wait for that file to be there."""
    _note(path, f"{self.request.id} {self.request.attempt}")
    while until is not None and not Path(until).exists():
        threading.Event().wait(0.02)


@shared_task(name="r.amark", bind=True)
async def amark(self: Any, path: str, seconds: float = 0.0) -> None:
    """The same, as a coroutine."""
    _note(path, f"{self.request.id} {self.request.attempt}")
    await asyncio.sleep(seconds)


@shared_task(name="r.interrupt", bind=True)
def interrupt(self: Any, path: str) -> None:
    """End the process that runs this, as its terminal would."""
    _note(path, f"{self.request.id} {self.request.attempt}")
    raise KeyboardInterrupt


@shared_task(name="r.deaf", bind=True)
def deaf(self: Any, path: str) -> None:
    """Go on, whatever is raised here."""
    _note(path, f"{self.request.id} {self.request.attempt}")
    for _ in range(1000):
        with suppress(Exception):
            threading.Event().wait(60)


def _note(path: str, line: str) -> None:
    with Path(path).open("a", encoding="ascii") as ledger:
        ledger.write(f"{line} {os.getpid()}\n")
