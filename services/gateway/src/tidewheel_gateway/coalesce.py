"""Gathers what arrives while a commit is under way, and commits all of it together.

An idle coalescer starts at once, so a lone submission waits for nothing; under load each commit carries what came
during the one before, so the number of commits stays flat while their size grows. Callers that were answered together
come again together, but not at once: the next commit waits for them, or it would leave with the first few.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

FLIGHT: Final = 500
"""The weight that one flight carries at most, unless a single item weighs more."""

ROOM: Final = 20_000
"""The weight that may be held at once, in flight and waiting."""

MANY: Final = 4
"""Items in one flight; after fewer the next one starts at once."""

GATHER: Final = 0.006
"""Seconds for which a flight waits, at most, until it is full or as full as the one before. When 1,200 tasks are
submitted in a second, a task waits some 4 ms longer for its commit then, and starts some 9 ms earlier after it."""


class Full(Exception):
    """More is held already than may be; nothing was taken."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[Item, Outcome]):
    item: Item
    weight: int
    outcome: "asyncio.Future[Outcome]"


class Coalescer(Generic[Item, Outcome]):
    """Turns many submissions into few flights, one flight at a time.

    Args:
        fly: commits some items together and returns an outcome for each, in their order.
        weigh: how heavy an item is.
        shared: tells whether an error of a flight was nobody's own (a lost database). For any other error each item
            flies again alone, so that a bad one does not spoil its neighbours.
        flight: the weight that a flight carries at most.
        room: the weight that may be held at once.
        gather: seconds for which a flight waits until it is as full as the one before.
    """

    def __init__(
        self,
        fly: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        weigh: Callable[[Item], int],
        shared: Callable[[BaseException], bool],
        flight: int = FLIGHT,
        room: int = ROOM,
        gather: float = GATHER,
    ) -> None:
        self._fly = fly
        self._weigh = weigh
        self._shared = shared
        self._flight = flight
        self._room = room
        self._gather_for = gather
        self._held = 0
        self._waiting: deque[_Held[Item, Outcome]] = deque()
        self._expected = 0
        self._enough = asyncio.Event()
        self._pilot: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Outcome:
        """Hand in an item and wait for what comes of it.

        Raises:
            Full: too much is held already.
        """
        weight = self._weigh(item)
        if self._held + weight > self._room and self._held:
            raise Full
        loop = asyncio.get_running_loop()
        held: _Held[Item, Outcome] = _Held(item, weight, loop.create_future())
        self._held += weight
        self._waiting.append(held)
        if self._is_enough(self._expected):
            self._enough.set()
        if self._pilot is None:
            self._pilot = loop.create_task(self._drain())
        return await held.outcome

    async def _drain(self) -> None:
        try:
            while self._waiting:
                boarded = self._board()
                await self._carry(boarded)
                await self._gather(len(boarded))
        finally:
            self._pilot = None
            for held in self._waiting:
                held.outcome.cancel()  # nobody is left only when the process stops in the middle of a flight
            self._waiting.clear()

    def _board(self) -> list[_Held[Item, Outcome]]:
        boarded = [self._waiting.popleft()]
        weight = boarded[0].weight
        while self._waiting and weight + self._waiting[0].weight <= self._flight:
            boarded.append(self._waiting.popleft())
            weight += boarded[-1].weight
        return boarded

    async def _gather(self, landed: int) -> None:
        if landed < MANY or self._is_enough(landed):
            return
        self._expected = landed
        self._enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._gather_for):
                await self._enough.wait()

    def _is_enough(self, expected: int) -> bool:
        """Tell whether as many wait as are expected, or as much as a flight carries.

        Of use only between two flights: while one is under way, what it carries counts as held too.
        """
        return len(self._waiting) >= expected or self._held >= self._flight

    async def _carry(self, boarded: Sequence[_Held[Item, Outcome]]) -> None:
        try:
            await self._land(boarded)
        finally:
            self._held -= sum(held.weight for held in boarded)
            for held in boarded:
                held.outcome.cancel()  # only what has no outcome yet: the flight itself was cancelled

    async def _land(self, boarded: Sequence[_Held[Item, Outcome]]) -> None:
        try:
            outcomes = await self._fly([held.item for held in boarded])
        except Exception as error:  # noqa: BLE001 - each submitter gets it, and decides
            if len(boarded) == 1 or self._shared(error):
                _fail(boarded, error)
                return
            for held in boarded:
                await self._land([held])
            return
        for held, outcome in zip(boarded, outcomes, strict=True):
            if not held.outcome.done():
                held.outcome.set_result(outcome)


def _fail(boarded: Sequence[_Held[Item, Outcome]], error: Exception) -> None:
    for held in boarded:
        if not held.outcome.done():
            held.outcome.set_exception(error)
