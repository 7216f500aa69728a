"""How much room each line has: what its window leaves of it, by what Redis held when asked and what was pushed since.

Between two questions a room is rather too small than too large, since what executors have read is not known yet; only
what other dispatchers and gateways push in the meantime is not counted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.stream import Depth, Line, depths, ensure_groups, lines_of
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.window import Window

FORGET = 600.0
"""Seconds after which what was learnt of a queue's pace is worth nothing."""


class Rooms:
    """Remembers the windows of the queues, and how much of them is taken.

    Args:
        redis: where the streams are.
        metrics: shows the windows.
        suspect: set when a stream is missing: its queue is new, or Redis was emptied.
        clock: seconds that never jump.
    """

    def __init__(
        self,
        redis: Redis,
        metrics: DispatcherMetrics,
        *,
        suspect: asyncio.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._metrics = metrics
        self._suspect = suspect
        self._clock = clock
        self._windows: dict[str, Window] = {}
        self._unread: dict[Line, int] = {}
        self._touched: set[str] = set()

    @property
    def windows(self) -> dict[str, int]:
        """How many hints of one priority may wait in the streams of the queues that are known."""
        return {queue: window.size for queue, window in self._windows.items()}

    @property
    def touched(self) -> AbstractSet[str]:
        """The queues to which something was pushed since Redis was asked."""
        return self._touched

    def ample(self, lines: Iterable[Line]) -> bool:
        """Tell whether each of some lines has room for half of its window at least, as far as is known."""
        return all(line in self._unread and 2 * self._unread[line] <= self._windows[line.queue].size for line in lines)

    def left(self, lines: Iterable[Line]) -> dict[Line, int]:
        """Return the rooms of lines, in their order.

        Raises:
            KeyError: Redis was never asked about one of them.
        """
        return {line: self._windows[line.queue].room(self._unread[line]) for line in lines}

    async def measure(self, queues: Collection[str]) -> None:
        """Ask Redis how much the lines of some queues hold.

        Raises:
            RedisError: Redis does not answer.
        """
        found = await depths(self._redis, lines_of(sorted(queues)))
        await self._mend_groups(found)
        now = self._clock()
        self._forget(now - FORGET)
        self._unread |= {line: depth.unread for line, depth in found.items()}
        self._touched -= set(queues)
        for queue in queues:
            held = [found[line] for line in lines_of([queue])]
            read, unread = sum(depth.read for depth in held), sum(depth.unread for depth in held)
            window = self._windows.get(queue, Window(since=now, read=read)).measured(read, unread, now)
            self._windows[queue] = window
            self._metrics.window.labels(queue=queue).set(window.size)

    def pushed(self, lines: Sequence[Line], *, crowded: Mapping[str, bool]) -> None:
        """Remember the line of each hint that was pushed, and which queues had more than there was room for."""
        for line, hints in Counter(lines).items():
            self._unread[line] += hints
        counts = Counter(line.queue for line in lines)
        self._touched |= counts.keys()
        for queue, full in crowded.items():
            self._windows[queue] = self._windows[queue].filled(crowded=full)

    async def _mend_groups(self, found: Mapping[Line, Depth]) -> None:
        """Create the streams that are missing, so that no hint is added that a later group would not see."""
        missing = {line.queue for line, depth in found.items() if not depth.grouped}
        if missing:
            await ensure_groups(self._redis, sorted(missing))
            self._suspect.set()

    def _forget(self, before: float) -> None:
        for queue in [queue for queue, window in self._windows.items() if window.since <= before]:
            del self._windows[queue]
            self._metrics.window.remove(queue)
            self._touched.discard(queue)
            for line in lines_of([queue]):
                self._unread.pop(line, None)
