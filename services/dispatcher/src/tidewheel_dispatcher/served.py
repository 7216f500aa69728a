"""Which queues and handlers live executors serve.

A queue that no live executor serves is left alone: its tasks wait in `ready`. In a queue that is served, a task whose
handler nobody serves is parked. An executor that restarts takes its handlers away for a moment; they are remembered
for a while, so that a deploy parks nothing.
"""

import time
from collections.abc import Callable, Iterable

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.keys import EVERY_QUEUE
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.queries import Offer

REFRESH = 1.0
"""Seconds for which an answer of the database is good."""

LINGER = 30.0
"""Seconds for which a handler counts as served after its last executor went."""

Pair = tuple[str, str]
"""A queue, or `*`, and a handler."""


class Served:
    """What is served, remembered over time. It decides nothing by itself and asks nobody."""

    def __init__(self) -> None:
        self._live_queues: frozenset[str] = frozenset()
        self._last_seen: dict[Pair, float] = {}

    def update(self, offers: Iterable[Offer], *, now: float) -> frozenset[Pair]:
        """Take in what live executors serve, and return the pairs that are new since they were last remembered.

        Args:
            offers: one for each kind of executor that is alive.
            now: seconds of a clock that never jumps.
        """
        offers = list(offers)
        live = frozenset((queue, handler) for offer in offers for queue in offer.queues for handler in offer.handlers)
        new = live - self._last_seen.keys()
        self._live_queues = frozenset(queue for offer in offers for queue in offer.queues)
        kept = {pair: seen for pair, seen in self._last_seen.items() if now - seen < LINGER}
        self._last_seen = kept | dict.fromkeys(live, now)
        return new

    @property
    def pairs(self) -> frozenset[Pair]:
        """What is served, or was a moment ago."""
        return frozenset(self._last_seen)

    @property
    def queues(self) -> frozenset[str]:
        """The queues, or `*`, that live executors serve."""
        return self._live_queues

    def serves(self, queue: str) -> bool:
        """Tell whether a live executor serves a queue."""
        return queue in self._live_queues or EVERY_QUEUE in self._live_queues

    def handlers(self, queue: str) -> frozenset[str]:
        """Return the handlers that are served in a queue, or were a moment ago."""
        return handlers_of(self._last_seen, queue)


def handlers_of(pairs: Iterable[Pair], queue: str) -> frozenset[str]:
    """Return the handlers that some pairs serve in a queue."""
    return frozenset(handler for served, handler in pairs if served in {queue, EVERY_QUEUE})


class Roster:
    """Keeps `served` fresh from the database, and collects what has newly appeared until somebody has acted on it.

    Only the relay refreshes it, between two dispatches. So when a handler appears, every task that was parked without
    knowing of it is parked already, and is found by whoever acts on `appeared`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        stale: float,
        clock: Callable[[], float] = time.monotonic,
        refresh: float = REFRESH,
    ) -> None:
        self.served = Served()
        self.appeared: set[Pair] = set()
        self._engine = engine
        self._stale = stale
        self._clock = clock
        self._refresh = refresh
        self._refreshed_at: float | None = None

    async def refresh(self) -> None:
        """Ask the database who is alive, unless it was asked a moment ago."""
        now = self._clock()
        if self._refreshed_at is not None and now - self._refreshed_at < self._refresh:
            return
        async with self._engine.connect() as connection:
            offers = await queries.executors_live(connection, stale=self._stale)
        self.appeared |= self.served.update(offers, now=now)
        self._refreshed_at = now
