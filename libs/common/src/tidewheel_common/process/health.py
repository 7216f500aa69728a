"""Whether this process is alive and whether it is ready, each with its reasons in words.

Alive means that its loops move: restarting would not help, so losing PostgreSQL or Redis does not count against it.
Ready means that it can do its work right now.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

STUCK_AFTER_TICKS = 10
STUCK_AFTER_SECONDS = 30.0
"""A loop is stuck when it has not moved for ten of its pauses, and at least this long."""


@dataclass(slots=True, kw_only=True)
class _Watched:
    every: float
    moved_at: float
    trouble: str | None

    @property
    def limit(self) -> float:
        return max(STUCK_AFTER_TICKS * self.every, STUCK_AFTER_SECONDS)


class Health:
    """What the loops report and the probes read. Safe to use from several threads.

    Args:
        clock: Seconds that never jump; only differences count.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loops: dict[str, _Watched] = {}
        self._holds: dict[str, str] = {}

    def watch(self, loop: str, *, every: float) -> None:
        """Expect the loop to move at least every `every` seconds from now on."""
        trouble = f"The loop {loop} has not finished its first tick."
        with self._lock:
            self._loops[loop] = _Watched(every=every, moved_at=self._clock(), trouble=trouble)

    def forget(self, loop: str) -> None:
        """Expect nothing from the loop any more: it has ended."""
        with self._lock:
            self._loops.pop(loop, None)

    def succeeded(self, loop: str) -> None:
        """Note that a tick of the loop has ended well."""
        self._move(loop, trouble=None)

    def stumbled(self, loop: str, reason: str) -> None:
        """Note that the loop lost a connection and tries again: it is alive, but the process is not ready."""
        self._move(loop, trouble=reason)

    def hold(self, gate: str, reason: str) -> None:
        """Keep the process from being ready until `release(gate)`; the reason is a sentence."""
        with self._lock:
            self._holds[gate] = reason

    def release(self, gate: str) -> None:
        """Take back what `hold` said about this gate."""
        with self._lock:
            self._holds.pop(gate, None)

    def alive(self) -> bool:
        """Tell whether every loop moves."""
        return not self.stuck()

    def ready(self) -> bool:
        """Tell whether nothing keeps the process from its work."""
        return not self.obstacles()

    def stuck(self) -> list[str]:
        """Say which loops have not moved for too long, one sentence each."""
        now = self._clock()
        with self._lock:
            return [
                f"The loop {name} has not moved for {now - loop.moved_at:.0f} s (limit {loop.limit:.0f} s)."
                for name, loop in self._loops.items()
                if now - loop.moved_at > loop.limit
            ]

    def obstacles(self) -> list[str]:
        """Say what keeps the process from being ready, one sentence each."""
        with self._lock:
            troubles = [loop.trouble for loop in self._loops.values() if loop.trouble is not None]
            holds = list(self._holds.values())
        return [*holds, *troubles, *self.stuck()]

    def _move(self, loop: str, *, trouble: str | None) -> None:
        now = self._clock()
        with self._lock:
            if watched := self._loops.get(loop):
                watched.moved_at = now
                watched.trouble = trouble
