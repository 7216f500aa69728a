"""Stopping a task that runs in this child: its cancellation was asked for.

The main process writes the ids into a file with this child's name and sends SIGUSR2. A coroutine is cancelled as
asyncio has it; in a `def` handler `Aborted` is raised, and `self.is_aborted()` says so from then on. Whoever does not
end then is killed with its child, after a while.
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from celery._state import _task_stack  # type: ignore[attr-defined]  # where `celery.current_task` looks

from tidewheel_executor.attempt import KEY, Attempt
from tidewheel_executor.limits import SoftLimit

SIGNAL = signal.SIGUSR2

Key = tuple[UUID, int]
"""A task and one of its attempts."""


class Aborted(Exception):
    """Raised in a `def` handler whose task is cancelled while it runs."""


def order_file(directory: Path, pid: int) -> Path:
    """Return where a child finds the ids of the tasks that it is to stop."""
    return directory / f"cancel-{pid}"


def give_order(directory: Path, pid: int, attempts: Iterable[Key]) -> None:
    """Ask a child to stop attempts; a task that is redriven later is none of them.

    Raises:
        OSError: the child is gone, or the file cannot be written.
    """
    target = order_file(directory, pid)
    draft = target.with_suffix(".new")
    draft.write_text("\n".join(f"{task_id} {attempt}" for task_id, attempt in attempts))
    draft.replace(target)
    os.kill(pid, SIGNAL)


class Aborts:
    """Hears what is to be stopped, and stops it.

    Args:
        directory: where orders lie; None when nobody gives any.
        limit: interrupts `def` handlers.
        loop: runs the coroutines.

    Attributes:
        ordered: the attempts that are to be stopped.
        coroutines: the attempts that run as coroutines right now.
    """

    def __init__(self, directory: Path | None, limit: SoftLimit, loop: asyncio.AbstractEventLoop) -> None:
        self._directory = directory
        self._limit = limit
        self._loop = loop
        self.ordered: frozenset[Key] = frozenset()
        self.coroutines: Mapping[Key, asyncio.Task[Any]] = {}
        if directory is not None:
            signal.signal(SIGNAL, self._hear)

    def _hear(self, _: int, __: FrameType | None) -> None:
        if self._directory is None:
            return
        try:
            text = order_file(self._directory, os.getpid()).read_text()
        except OSError:
            return  # the executor stops, and has cleared its directory away
        self.ordered = frozenset(_read(line) for line in text.splitlines())
        if (attempt := _current()) is not None and self.is_ordered(attempt):
            self._limit.interrupt(Aborted("The task was cancelled."))
        for key in self.ordered & self.coroutines.keys():
            self._loop.call_soon_threadsafe(self.coroutines[key].cancel)

    def is_ordered(self, attempt: Attempt) -> bool:
        """Tell whether an attempt is to be stopped."""
        task = attempt.claimed
        return task is not None and (task.task_id, task.attempt) in self.ordered


def _read(line: str) -> Key:
    task_id, attempt = line.split()
    return UUID(task_id), int(attempt)


def _current() -> Attempt | None:
    for task in reversed(_task_stack.stack):
        stack = getattr(task, "request_stack", None)  # between the steps of coroutines it is nobody's
        top = None if stack is None else stack.top
        attempt: Attempt | None = None if top is None else top.__dict__.get(KEY)
        if attempt is not None:
            return attempt
    return None
