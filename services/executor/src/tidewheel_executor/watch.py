"""A thread that looks after a child's batch: behind a `def` handler that takes long, the rest does not wait.

What travels together was expected to be short. When one handler is not, its neighbours that have not begun are taken
from the main thread and given back, so that another child may have them.
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

GiveBack = Callable[[Sequence[T]], Coroutine[Any, Any, object]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Rest(Generic[T]):
    """The tasks of a batch that have not begun. Each is taken once, by whichever thread comes first.

    Attributes:
        owed: What the watch has taken and not given back yet.
    """

    def __init__(self, first: Iterable[T], last: Iterable[T]) -> None:
        self._first = deque(first)
        self._last = deque(last)
        self.owed: list[T] = []

    def __len__(self) -> int:
        """Count what nobody has taken."""
        return len(self._first) + len(self._last)

    def next_first(self) -> T | None:
        """Take the next of those that run first, one after the other."""
        return _next(self._first)

    def drain(self) -> list[T]:
        """Take all."""
        return [*_drain(self._first), *_drain(self._last)]


def _next(tasks: deque[T]) -> T | None:
    try:
        return tasks.popleft()
    except IndexError:
        return None


def _drain(tasks: deque[T]) -> Iterable[T]:
    while (task := _next(tasks)) is not None:
        yield task


class Watch(Generic[T]):
    """Watches one batch after the other. To be made after the fork, by the thread that runs the batches.

    Args:
        give_back: gives tasks to others; called in the watch's own thread, in an event loop of its own.
        patience: seconds that a task may run while others wait behind it.

    Attributes:
        since: when the current task began, as `time.monotonic()`; the thread that runs batches sets it.
    """

    def __init__(self, give_back: GiveBack[T], *, patience: float = LONG) -> None:
        self._give_back = give_back
        self._patience = patience
        self.since = 0.0
        self._rest: Rest[T] | None = None
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

    def begin(self, rest: Rest[T]) -> None:
        """Watch a batch from now on."""
        self.since = time.monotonic()
        self._rest = rest
        self._begun.set()

    def end(self) -> list[T]:
        """Watch it no more, and return what was taken from it and is not known to be given back."""
        with self._lock:
            rest, self._rest = self._rest, None
        return [] if rest is None else rest.owed

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
            while (rest := self._rest) is not None and (rest or rest.owed) and not self._closing.wait(pause):
                pause = LOOK_EVERY if self._relieve(rest) else TRY_AGAIN

    def _relieve(self, rest: Rest[T]) -> bool:
        """Give back what waits behind a task that takes long; return False if that must be tried again."""
        if not rest.owed and time.monotonic() - self.since < self._patience:
            return True
        with self._lock:
            if self._rest is not rest:
                return True
            rest.owed += rest.drain()
            owed = tuple(rest.owed)
        if not owed:
            return True
        try:
            asyncio.run(self._give_back(owed))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the main thread records what is still owed
            log.warning("tasks not given back yet", tasks=len(owed), error_type=type(error).__name__)
            return False
        rest.owed = []
        return True
