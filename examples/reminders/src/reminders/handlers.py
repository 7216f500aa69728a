"""What Tidewheel's executors run: ordinary Celery tasks. The payload becomes their arguments."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from celery import shared_task
from sqlalchemy import delete, func, not_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from reminders.settings import Settings
from reminders.tables import Delivery, Reminder, kept, open_engine

MEBIBYTE = 1024 * 1024
LEAK_LIMIT = 256 * MEBIBYTE


@lru_cache
def sessions() -> async_sessionmaker[AsyncSession]:
    """Make sessions, in the child process that needs them first."""
    return async_sessionmaker(open_engine(Settings().database_url.get_secret_value(), pooled=False))


@shared_task(name="reminders.deliver", bind=True)
async def deliver(self: Any, reminder_id: str) -> bool:
    """Deliver a reminder, and tell whether there was one; it may have been deleted meanwhile."""
    async with sessions()() as session, session.begin():
        reminder = await session.get(Reminder, UUID(reminder_id), with_for_update=True)
        if reminder is None:
            return False
        # A real one sends a mail here. A task may run again when its executor dies; its id tells that it did.
        delivery = insert(Delivery).values(task_id=UUID(self.request.id), reminder_id=reminder.id)
        await session.execute(delivery.on_conflict_do_nothing())
        reminder.delivered_at = func.now()
    return True


@shared_task(name="reminders.sweep")
async def sweep(keep: float) -> int:
    """Delete reminders that were delivered longer than so many seconds ago; return how many."""
    async with sessions()() as session, session.begin():
        gone = await session.execute(delete(Reminder).where(not_(kept(timedelta(seconds=keep)))).returning(Reminder.id))
        return len(gone.all())


@shared_task(name="reminders.distance")
def distance(left: str, right: str) -> int:
    """Return how many letters must be changed, added or removed to make one text of the other (Levenshtein)."""
    row = list(range(len(right) + 1))
    for above, a in enumerate(left):
        diagonal, row[0] = above, above + 1
        for place, b in enumerate(right, start=1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (a != b))
    return row[-1]


@shared_task(name="reminders.leak", throws=(MemoryError,))
def leak() -> None:
    """Take memory until there is no more. The limit hits the child process that runs this, and nobody else."""
    leaked: list[bytearray] = []
    with memory_limited(LEAK_LIMIT):
        leaked.extend(bytearray(MEBIBYTE) for _ in range(2 * LEAK_LIMIT // MEBIBYTE))
    raise MemoryError(f"This system does not limit memory; stopped at {len(leaked)} MiB.")


@contextmanager
def memory_limited(more: int) -> Iterator[None]:
    """Let this process take so many bytes more, and no more than that, while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a file of the kernel
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
