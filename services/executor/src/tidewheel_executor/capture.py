"""What a handler says while it runs: its log records and its progress, kept with the attempt that it is.

A task that says nothing costs nothing: whose record it is, is looked up when one is made, through Celery's own stack of
tasks, which each coroutine has for itself. Records that a handler makes in threads of its own belong to nobody.
"""

import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from celery._state import _task_stack  # type: ignore[attr-defined]  # where `celery.current_task` looks
from celery.exceptions import SoftTimeLimitExceeded

MOST_LINES = 1000
MOST_BYTES = 256 * 1024
"""What is kept of one attempt."""

LONGEST_LINE = 8 * 1024
"""Characters of one message."""

LONGEST_META = 64 * 1024
"""Bytes of JSON that the `meta` of a progress may have."""

_OURS = ("tidewheel_",)


@dataclass(slots=True, kw_only=True)
class Said:
    """What one attempt has said, and how much of it is still to be written.

    Attributes:
        lines: JSON texts that wait.
        progress: the last state and the JSON of its `meta`, where they wait.
        part: how many pieces were written.
        unfinished: what was printed and has no end of line yet, by what makes a record of it.
    """

    task_id: UUID
    tenant_id: UUID
    attempt: int
    lines: deque[str] = field(default_factory=deque)
    progress: tuple[str, str] | None = None
    part: int = 0
    count: int = 0
    size: int = 0
    unfinished: dict[Callable[[str], None], str] = field(default_factory=dict)

    def add(self, line: str) -> int:
        """Keep a line, or once say that no more are kept; return the bytes that are new."""
        if self.count > MOST_LINES or self.size > MOST_BYTES:
            return 0
        self.count += 1
        self.size += len(line)
        if self.count > MOST_LINES or self.size > MOST_BYTES:
            line = write_line(
                "WARNING",
                "tidewheel",
                f"From here on lines are left out: an attempt keeps {MOST_LINES:,} lines and {MOST_BYTES:,} bytes.",
            )
        self.lines.append(line)
        return len(line)

    def finish(self) -> None:
        """Let what was printed without an end of line be a line, too."""
        while self.unfinished:
            log, text = self.unfinished.popitem()
            log(text)


Note = Callable[[Said, int], None]
"""Called when an attempt has said something, with the bytes that wait more than before."""


class Capture(logging.Handler):
    """Gives each record to the attempt that made it.

    Args:
        note: told of whatever is to be written.
        said: finds what the running attempt of a request has said; None for a request of nobody's.
    """

    def __init__(self, note: Note, said: Callable[[Any], Said | None]) -> None:
        super().__init__()
        self._note = note
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, if a handler made it."""
        if record.name.startswith(_OURS) or (said := self.current()) is None:
            return
        try:
            message = record.getMessage()
            if record.exc_info:
                message = f"{message}\n{logging.Formatter().formatException(record.exc_info)}"
        except SoftTimeLimitExceeded:
            raise
        except Exception:  # noqa: BLE001 -- the text of an argument may raise anything
            message = f"{record.msg} (its arguments cannot be written)"
        if added := said.add(write_line(record.levelname, record.name, message, record.created)):
            self._note(said, added)

    def current(self) -> Said | None:
        """Return what the attempt has said that runs here; None when none does."""
        for task in reversed(_task_stack.stack):
            request = getattr(task, "request_stack", None)
            top = None if request is None else request.top
            if top is not None and (said := self._said(top)) is not None:
                return said
        return None


def write_line(level: str, logger: str, message: str, created: float | None = None) -> str:
    """Return a line as it is kept; `created` is in seconds since 1970."""
    text = message if len(message) <= LONGEST_LINE else f"{message[:LONGEST_LINE]}… ({len(message):,} characters)"
    at = None if created is None else datetime.fromtimestamp(created, UTC).isoformat()
    return json.dumps({"at": at, "level": level, "logger": logger, "message": text})
