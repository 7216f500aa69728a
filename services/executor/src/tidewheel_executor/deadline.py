"""Bounds how long a stopping worker waits for its children.

Celery's warm shutdown waits until every running task has ended, however long that takes, and whoever started the worker
kills it in the meantime: then its tasks wait until the scheduler finds them. So we end the children in time ourselves.
A child that is asked to end gives back by itself what it has not finished; the main process reports what it leaves.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

LAST_WORDS = 3.0
"""Seconds in which a child that was asked to end may write down what it gives back; then it is killed."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Deadline:
    """Ends the children of a pool that is stopping, once their time is over.

    Args:
        pool: Celery's prefork pool.
        grace: seconds that running tasks may take.
        cut_off: called before the children are ended.
    """

    def __init__(self, pool: Any, *, grace: float, cut_off: Callable[[], object]) -> None:
        self._pool = pool
        self._grace = grace
        self._cut_off = cut_off
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="deadline", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def cancel(self) -> None:
        """Forget it: all children have ended."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._over.wait(self._grace):
            return
        log.warning("children are ended, their tasks given back", grace=self._grace)
        self._cut_off()
        self._send(signal.SIGTERM)
        if not self._over.wait(LAST_WORDS):
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(AttributeError):  # the pool has just ended
            for pid in self._pool.info["processes"]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
