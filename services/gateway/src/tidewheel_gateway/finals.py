"""Tells those who wait for a task that it may have become final."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class Finals:
    """Who waits for which task. Hearing that one is final is a hint only: whoever waits looks at PostgreSQL.

    Attributes:
        wanted: set when somebody begins to wait.
        closing: whether the process stops.
    """

    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self.wanted = asyncio.Event()
        self.closing = False

    @property
    def awaited(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    @contextmanager
    def expect(self, task_id: UUID) -> Iterator[asyncio.Event]:
        """Give an event that is set when the task may have become final."""
        event = asyncio.Event()
        self._waiting.setdefault(task_id, set()).add(event)
        self.wanted.set()
        try:
            yield event
        finally:
            waiting = self._waiting[task_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[task_id]

    def hear(self, message: str) -> None:
        """Take in a wake-up: task ids, comma-separated; the empty message wakes everyone."""
        if not message:
            self._wake_all()
            return
        for word in message.split(","):
            for event in self._waiting.get(_id(word), ()):
                event.set()

    def close(self) -> None:
        """Let everyone answer with what there is: the process stops."""
        self.closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()


def _id(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError:
        return UUID(int=0)
