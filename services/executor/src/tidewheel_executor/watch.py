"""A thread that looks after a child's batch: with a `def` handler that takes long, the rest does not wait.

What travels together was expected to be short. When one handler is not, its neighbours are taken from the main thread:
those that have not begun are given back, so that another child may have them, and those that have ended are recorded.
"""

import asyncio
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

import structlog

LOOK_EVERY = 0.1
"""Seconds between two looks at a batch that has tasks left."""

LONG = 0.2
"""Seconds after which a handler has taken long."""

TRY_AGAIN = 1.0
"""Seconds until what could not be given back is tried again."""

LAST_WORDS = 1.0
"""Seconds that closing waits for the thread."""

T = TypeVar("T")
E = TypeVar("E")

Relieve = Callable[[Sequence[T], Sequence[E]], Coroutine[Any, Any, object]]
"""Gives tasks back that have not begun, and records how others ended."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Rest(Generic[T, E]):
    """What is left to do of a batch. Each piece is taken once, by whichever thread comes first.

    Args:
        first: the tasks that run one after the other.
        last: the tasks that run after those.
        waiting: the tasks that may run when all those have ended.
        ended: how tasks ended, as far as that is not recorded; the main thread appends to it.

    Attributes:
        owed: The tasks that the watch has taken and not given back yet.
        unsaid: The endings that it has taken and not recorded yet.
    """

    def __init__(self, first: Iterable[T], last: Iterable[T], waiting: Iterable[T], ended: deque[E]) -> None:
        self._first = deque(first)
        self._last = deque(last)
        self._waiting = deque(waiting)
        self._ended = ended
        self.owed: list[T] = []
        self.unsaid: list[E] = []

    def __len__(self) -> int:
        """Count what nobody has taken."""
        return len(self._first) + len(self._last) + len(self._waiting)

    def next_first(self) -> T | None:
        """Take the next of those that run first, one after the other."""
        return _next(self._first)

    def drain(self) -> list[T]:
        """Take all that has not begun and may run now."""
        return [*drain(self._first), *drain(self._last)]

    def drain_waiting(self) -> list[T]:
        """Take all that may run later."""
        return list(drain(self._waiting))

    def take(self) -> bool:
        """Take all for the watch, and return whether there is anything."""
        self.owed += [*self.drain(), *self.drain_waiting()]
        self.unsaid += drain(self._ended)
        return bool(self.owed or self.unsaid)


def _next(pieces: deque[T]) -> T | None:
    try:
        return pieces.popleft()
    except IndexError:
        return None


def drain(pieces: deque[T]) -> Iterable[T]:
    """Take all of a deque, whoever else appends to it or takes from it."""
    while (piece := _next(pieces)) is not None:
        yield piece


class Watch(Generic[T, E]):
    """Watches one batch after the other. To be made after the fork, by the thread that runs the batches.

    Args:
        relieve: called in the watch's own thread, in an event loop of its own.
        patience: seconds that a task may run while others wait behind it.

    Attributes:
        since: when the current task began, as `time.monotonic()`; the thread that runs batches sets it.
    """

    def __init__(self, relieve: Relieve[T, E], *, patience: float = LONG) -> None:
        self._relieve = relieve
        self._patience = patience
        self.since = 0.0
        self._rest: Rest[T, E] | None = None
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        # The kernel may hand a signal to any thread that takes it, and then no call of the main thread is interrupted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def begin(self, rest: Rest[T, E]) -> None:
        """Watch a batch from now on."""
        self.since = time.monotonic()
        self._rest = rest
        self._begun.set()

    def end(self) -> tuple[list[T], list[E]]:
        """Watch it no more; return the tasks that were not given back and the endings that were not recorded.

        It waits while the thread is at it.
        """
        with self._lock:
            rest, self._rest = self._rest, None
        return ([], []) if rest is None else (rest.owed, rest.unsaid)

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._begun.set()
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._begun.wait()
            self._begun.clear()
            pause = LOOK_EVERY
            while (rest := self._rest) is not None and not self._closing.wait(pause):
                pause = LOOK_EVERY if self._look(rest) else TRY_AGAIN

    def _look(self, rest: Rest[T, E]) -> bool:
        """Take what waits beside a task that takes long; return False if it must be tried again."""
        if time.monotonic() - self.since < self._patience:
            return True
        with self._lock:
            if self._rest is not rest or not rest.take():
                return True
            try:
                asyncio.run(self._relieve(tuple(rest.owed), tuple(rest.unsaid)))
            except Exception as error:  # noqa: BLE001 -- whatever it is, the main thread takes what is left over
                kind, tasks = type(error).__name__, len(rest.owed) + len(rest.unsaid)
                log.warning("neighbours of a long task not relieved yet", tasks=tasks, error_type=kind)
                return False
            rest.owed, rest.unsaid = [], []
            return True
