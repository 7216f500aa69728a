"""The course of a long load: how many runs there were at which moment."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.bench.ledger import Ledger

_EVERY = 0.02  # seconds between two looks at the ledger


@dataclass(slots=True)
class Course:
    """Moments on the monotonic clock, each with the runs until then."""

    points: list[tuple[float, int]] = field(default_factory=list)

    def look(self, ledger: Ledger) -> None:
        self.points.append((time.monotonic(), ledger.runs()))

    def rate_between(self, start: float, end: float) -> float:
        """Return runs a second between two moments."""
        return _rate([point for point in self.points if start <= point[0] <= end])

    def rate_from(self, start: float) -> float:
        """Return runs a second from a moment to when the last one was seen."""
        last = self.points[-1][1]
        end = next(at for at, runs in self.points if runs == last)
        return last / max(end - start, 1e-9)

    def rate_of_runs(self, first: int, last: int) -> float:
        """Return runs a second from when there had been so many runs to when there had been so many."""
        return (last - first) / max(self._when(last) - self._when(first), 1e-9)

    def _when(self, runs: int) -> float:
        """Return when there had been so many runs; for none, when the first one was still to come."""
        if runs == 0:
            return max(at for at, before in self.points if before == 0)
        return next(at for at, before in self.points if before >= runs)


def _rate(points: list[tuple[float, int]]) -> float:
    if len(points) < 2:
        return 0.0
    (start, before), (end, after) = points[0], points[-1]
    return (after - before) / max(end - start, 1e-9)


@asynccontextmanager
async def course_of(ledger: Ledger) -> AsyncIterator[Course]:
    """Look at the ledger again and again until the block ends."""
    course = Course()

    async def look() -> None:
        while True:
            course.look(ledger)
            await asyncio.sleep(_EVERY)

    looking = asyncio.create_task(look())
    try:
        yield course
    finally:
        looking.cancel()
        course.look(ledger)
