"""How many hints a queue may have in Redis: about as much as its executors start in a few seconds.

The backlog waits in PostgreSQL, where priorities, pauses and cancellations still reach it; Redis holds just enough that
no executor is ever idle. How much that is shows in how fast the streams are read.

The window counts what no executor has read, for each priority on its own: so a full low line never holds up a high
task, and a flood of high tasks does not keep low ones from Redis, where the executors' aging rule looks after them.
"""

from dataclasses import dataclass, replace

SECONDS_OF_WORK = 3.0
SMALLEST = 200
LARGEST = 10_000
FIRST = LARGEST
"""Hints for each priority of a queue of unknown pace: too many for a moment cost less than executors that wait."""

SHORTEST_MEASURE = 0.05
"""Seconds; over less than that a rate says nothing."""

LONGEST_MEASURE = 5.0
"""Seconds; over more than that it says how much came in, and not what executors could do."""

MEMORY = 2.0
"""Seconds over which a measured rate is blended into the known one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The window of one queue, and what it is derived from. `now` is always in seconds of a clock that never jumps."""

    since: float
    """When the measure in hand began."""
    read: int = 0
    """Hints that had ever been read by then."""
    crowded: bool = False
    """Whether more was due than there was room for."""
    rate: float | None = None
    """Hints read a second; None before the first measure."""
    size: int = FIRST

    def measured(self, read: int, unread: int, now: float) -> "Window":
        """Return the window after a look at how many hints were ever read and how many are unread, over all priorities.

        Redis may have been emptied meanwhile; then `read` is less than before.
        """
        elapsed = now - self.since
        if elapsed < SHORTEST_MEASURE:
            return self
        if elapsed > LONGEST_MEASURE:
            return replace(self, since=now, read=read)
        rate = max(0, read - self.read) / elapsed
        if unread == 0:
            # They read all there was, so the rate shows what came in, and not what they could do.
            size = min(LARGEST, self.size * 2) if self.crowded else self.size
            return replace(self, since=now, read=read, size=size, rate=max(rate, self.rate or 0.0))
        known = self.size / SECONDS_OF_WORK if self.rate is None else self.rate
        blended = known + (rate - known) * min(1.0, elapsed / MEMORY)
        size = round(min(LARGEST, max(SMALLEST, blended * SECONDS_OF_WORK)))
        return replace(self, since=now, read=read, size=size, rate=blended)

    def filled(self, *, crowded: bool) -> "Window":
        """Return the window after hints were pushed."""
        return replace(self, crowded=crowded)

    def room(self, unread: int) -> int:
        """Return how many hints more one priority may get."""
        return max(0, self.size - unread)
