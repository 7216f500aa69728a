"""Keeps what a handler of the fake logs, as an executor does."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

_LEVEL = logging.INFO


class _Ear(logging.Handler):
    def __init__(self, attempt: int, clock: Callable[[], datetime]) -> None:
        super().__init__(_LEVEL)
        self.lines: list[dict[str, Any]] = []
        self._attempt = attempt
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(
            {
                "attempt": self._attempt,
                "at": self._clock(),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            }
        )


@contextmanager
def listening(attempt: int, clock: Callable[[], datetime]) -> Iterator[list[dict[str, Any]]]:
    """Keep what is logged within the block, from INFO on."""
    root, ear = logging.getLogger(), _Ear(attempt, clock)
    level = root.level
    root.addHandler(ear)
    root.setLevel(min(level, _LEVEL))
    try:
        yield ear.lines
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
