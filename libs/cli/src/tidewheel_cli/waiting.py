"""Ways to wait for several things at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any


async def first_of(*parts: Coroutine[Any, Any, object], patience: float | None = None) -> None:
    """Wait until one of the parts has ended, or the patience (seconds) is over; cancel the others."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)


async def together(*parts: Coroutine[Any, Any, object]) -> None:
    """Wait until all parts have ended; raise the first error, after the others have been cancelled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


@contextlib.asynccontextmanager
async def in_background(part: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run something beside the block; it is cancelled when the block ends."""
    task = asyncio.ensure_future(part)
    try:
        yield
    finally:
        await _cancel([task])


async def _cancel(tasks: Sequence[asyncio.Future[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
