"""Offers requests and keeps what came of each.

Open loop: a request goes at its time, however slow the service is, and is timed from when it was due. Closed loop: so
many requests are open at any time, and each is timed from when it was sent.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bench.wire import CONNECTIONS, Pool, ids_in

_PATIENCE = 300.0  # seconds for the last answer
_CREATED = 201


@dataclass(frozen=True, slots=True)
class Answer:
    """What one accepted request brought: seconds on the monotonic clock, and the ids of its tasks."""

    due: float
    at: float
    ids: list[bytes]


@dataclass(slots=True)
class Offered:
    """All requests of one load."""

    began: float = 0.0
    requests: int = 0
    answers: list[Answer] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    """How many requests were answered otherwise than 201, by status; 0 is a lost connection."""

    @property
    def ids(self) -> list[bytes]:
        return [task_id for answer in self.answers for task_id in answer.ids]

    @property
    def tasks(self) -> int:
        return sum(len(answer.ids) for answer in self.answers)

    @property
    def seconds(self) -> float:
        """From the first request's time to the last answer."""
        return max(answer.at for answer in self.answers) - self.began

    @property
    def latencies(self) -> list[float]:
        """Milliseconds from when a request was due to its answer."""
        return [1000 * (answer.at - answer.due) for answer in self.answers]

    @property
    def dues(self) -> dict[str, float]:
        """When each task was due, on the monotonic clock."""
        return {task_id.decode(): answer.due for answer in self.answers for task_id in answer.ids}


def evenly(requests: Iterable[bytes], *, rate: float) -> list[tuple[float, bytes]]:
    """Make so many requests due in each second."""
    return [(place / rate, request) for place, request in enumerate(requests)]


async def drive(pool: Pool, requests: Iterable[bytes], *, at_most: int = CONNECTIONS) -> Offered:
    """Keep so many requests open until all have been sent; return when all are answered (closed loop)."""
    await pool.fill()
    load = Load(pool)
    for request in requests:
        await load.answered(below=at_most)
        load.send(request, time.monotonic())
    await load.answered()
    return load.offered


async def offer(pool: Pool, arrivals: Iterable[tuple[float, bytes]]) -> Offered:
    """Send each request when its time (seconds after now) has come; return when all are answered (open loop)."""
    await pool.fill()
    load = Load(pool)
    for after, request in arrivals:
        due = load.offered.began + after
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        load.send(request, due)
    await load.answered()
    return load.offered


class Load:
    """One load on a pool, for those who decide themselves when the next request goes."""

    def __init__(self, pool: Pool) -> None:
        self.offered = Offered(began=time.monotonic())
        self._pool = pool
        self._open = 0
        self._heard = asyncio.Event()

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at an instant of the monotonic clock."""

        def done(status: int, answer: bytes) -> None:
            self._open -= 1
            self._heard.set()
            if status == _CREATED:
                self.offered.answers.append(Answer(due, time.monotonic(), ids_in(answer)))
            else:
                self.offered.refused[status] = self.offered.refused.get(status, 0) + 1

        self._open += 1
        self.offered.requests += 1
        self._pool.send(request, done)

    async def answered(self, *, below: int = 1) -> None:
        """Wait until fewer than so many requests are open."""
        if self._open < below:
            return  # answers come by the dozen: a deadline for each would be a tenth of what a request costs here
        async with asyncio.timeout(_PATIENCE):
            while self._open >= below:
                self._heard.clear()
                await self._heard.wait()
