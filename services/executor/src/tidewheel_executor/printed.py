"""What a handler prints becomes log records of its attempt, as Celery has it with `worker_redirect_stdouts`.

Celery itself redirects only where nobody configures the logs, and we do. Its stream also makes a record of each write,
of which `print("a", "b")` has four; here a record is a line. What is printed outside of an attempt, or by threads of a
handler's own, goes where it went before.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TextIO, cast

from celery import Celery
from celery.utils.log import mlevel

from tidewheel_executor.capture import LONGEST_LINE, Said

LOGGER: Final = "celery.redirected"
"""The logger of what is printed; the name that Celery gives it."""


class Printed:
    """A stream that stands before another one.

    Args:
        beneath: takes what is nobody's.
        level: of the records.
        current: finds what the running attempt has said.
    """

    def __init__(self, beneath: TextIO, level: int, current: Callable[[], Said | None]) -> None:
        self._beneath = beneath
        self._level = level
        self._current = current
        self._here = threading.local()

    def write(self, text: str) -> int:
        """Make records of the lines that end here; the rest waits for its end, or for that of the attempt."""
        # Somebody's logging handler may print.
        said = None if getattr(self._here, "logging", False) else self._current()
        if said is None:
            return self._beneath.write(text)
        *lines, rest = (said.unfinished.pop(self.log, "") + text).split("\n")
        for line in lines:
            self.log(line)
        if len(rest) > LONGEST_LINE:
            self.log(rest)
        elif rest:
            said.unfinished[self.log] = rest
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def log(self, line: str) -> None:
        """Make a record of a line, as a terminal would show it: what a carriage return writes over is gone."""
        shown = line.rstrip("\r").rpartition("\r")[2]
        if not shown:
            return
        self._here.logging = True
        try:
            logging.getLogger(LOGGER).log(self._level, "%s", shown)
        finally:
            self._here.logging = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)


class Redirection:
    """Stands before the process's standard output and error, until it is closed.

    Args:
        app: says whether (`worker_redirect_stdouts`), and at which level (`worker_redirect_stdouts_level`).
        current: finds what the running attempt has said.
    """

    def __init__(self, app: Celery, current: Callable[[], Said | None]) -> None:
        self._streams: dict[str, tuple[Printed, TextIO]] = {}
        if not app.conf.worker_redirect_stdouts:
            return
        level = mlevel(app.conf.worker_redirect_stdouts_level)
        for name in ("stdout", "stderr"):
            before: TextIO = getattr(sys, name)
            self._streams[name] = Printed(before, level, current), before
            setattr(sys, name, cast(TextIO, self._streams[name][0]))

    def close(self) -> None:
        """Put back what stood there before."""
        for name, (printed, before) in self._streams.items():
            if getattr(sys, name) is printed:
                setattr(sys, name, before)
