"""Handlers to try Tidewheel with, and to break it with. They are ordinary Celery tasks."""

import asyncio
import logging
import math
import os
import signal
from typing import Any

from celery import shared_task

_log = logging.getLogger("demo")  # what is named after a module of ours is no handler's line


class DemoError(Exception):
    """What the demo handlers fail with."""


@shared_task(name="demo.echo")
def echo(**arguments: Any) -> dict[str, Any]:
    """Return the arguments."""
    return arguments


@shared_task(name="demo.noop")
def noop(**_: Any) -> None:
    """Do nothing."""


@shared_task(name="demo.anoop")
async def anoop(**_: Any) -> None:
    """Do nothing, as a coroutine."""


@shared_task(name="demo.sleep")
async def sleep(seconds: float = 1.0) -> float:
    """Wait so many seconds without occupying anything, and return them."""
    await asyncio.sleep(seconds)
    return seconds


@shared_task(name="demo.fail")
def fail(message: str = "This handler always fails.") -> None:
    """Fail."""
    raise DemoError(message)


@shared_task(name="demo.flaky", bind=True)
def flaky(self: Any, failures: int = 1) -> dict[str, int]:
    """Fail so many times, then succeed."""
    _log.info("This is try %d; %d of them fail.", self.request.retries + 1, failures)
    if self.request.retries < failures:
        raise DemoError(f"Failure {self.request.retries + 1} of {failures}.")
    return {"failures": self.request.retries}


@shared_task(name="demo.distance")
def distance(x: float | list[float], y: float | list[float]) -> float:
    """Return a Euclidean distance.

    Args:
        x: a number: the point's first coordinate. A list: the first point.
        y: a number: its second coordinate, and the distance is that of (x, y) from (0, 0). A list: the second point.
    """
    if isinstance(x, list) and isinstance(y, list):
        return math.dist(x, y)
    if isinstance(x, list) or isinstance(y, list):
        raise TypeError("x and y must be two numbers, or two lists of numbers.")
    return math.hypot(x, y)


@shared_task(name="demo.allocate")
def allocate(mebibytes: int = 64) -> int:
    """Take so many MiB of memory, touch every page, give it back, and return the bytes that it was."""
    block = bytearray(mebibytes * 1024 * 1024)
    block[::4096] = b"\x01" * len(block[::4096])
    return len(block)


@shared_task(name="demo.crash")
def crash() -> None:
    """Kill the process that runs this, as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
