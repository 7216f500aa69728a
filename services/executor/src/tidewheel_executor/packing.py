"""How many tasks travel in one Celery message.

Handing a message to a child costs about as much as running a hundred short tasks, so short tasks travel together. What
is short is learnt: a moving average of each handler's seconds. The rules:

- A message holds at most `budget` seconds of expected work and at most `most` tasks, which come in bundles.
- A handler without history travels alone, and a pack holds at most four times as many of it as ever ran, so that a
  wrong first impression costs little. The average rises fast and falls slowly.
- Alone travel: what was lost once (it may have taken its child with it), what runs longer than the budget, and what
  asks for a longer timeout than the default.
- A pack holds tasks of one and the same timeout T, which may be a short one. The child interrupts each task after T by
  itself, so one hanging task delays its neighbours by at most T, and their leases (T + grace) allow for that. The
  message's hard limit is T + grace as well, and not the sum: whoever hangs second is killed with what follows it, all
  that is unfinished is reported as lost, and travels alone from then on.
- What takes a whole message by itself is *long*, and so is a pack of coroutines that mostly wait: that is little work,
  but its child is busy until the last of them has ended. Only so many long messages may be in flight (the lanes), so
  that one child is always left for short work.
- Work that would not fill every free child is spread over them, but no pack is made smaller than a quarter of the
  budget. Bundles that fit a message are not divided: a pack may have an eighth more than its part, so that short work
  makes no more packs than there are children.

Nothing here does I/O or reads a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tidewheel_common.streams.bundle import PARTS, Bundle, largest

RISE = 0.5
"""How far one message moves the average towards a longer time."""

FALL = 0.1
"""How far one run moves the average towards a shorter time."""

GROWTH = 4
"""A pack holds at most so many times the runs that a handler has to its name."""

LINGER = 0.2
"""Seconds. What lasts longer on the average keeps its child from others, however little work it is."""

SMALLEST_FILL = 0.25
"""Of the budget; spreading over free children goes no further."""

CRUMB = 1e-9
"""Less of a message than one task takes; sums of parts are not exact."""


class Bundled(Protocol):
    """Whatever carries a bundle of hints."""

    @property
    def bundle(self) -> Bundle:
        """What the dispatcher said of the tasks."""
        ...


E = TypeVar("E", bound=Bundled)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingRules:
    """What bounds a message. Durations are seconds."""

    budget: float = 0.03
    most: int = 500
    default_timeout: float = 300.0
    grace: float = 5.0
    """What a task may take after its timeout to end by itself, before its child is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Generic[E]):
    """What one message carries, and its limits in seconds as Celery enforces them."""

    entries: tuple[E, ...]
    soft: float | None
    hard: float
    long: bool = False
    """Whether it needs a lane."""

    @property
    def size(self) -> int:
        """Count its tasks."""
        return sum(entry.bundle.size for entry in self.entries)


@dataclass(slots=True)
class _Average:
    seconds: float
    lasted: float
    runs: int


@dataclass(slots=True)
class _Open(Generic[E]):
    timeout: float
    long: bool
    fill: float = 0.0
    size: int = 0
    entries: list[E] = field(default_factory=list)


class Packer:
    """Learns how long handlers take and packs accordingly."""

    def __init__(self, rules: PackingRules) -> None:
        self.rules = rules
        self._averages: dict[str, _Average] = {}

    def observe(self, handlers: Mapping[str, Sequence[float]]) -> None:
        """Learn from one finished message: for each handler its runs, and the seconds that they worked and lasted.

        For a `def` handler both are the same; coroutines work only while they do not wait.
        """
        for handler, (runs, seconds, lasted) in handlers.items():
            if runs >= 1:
                self._learn(handler, int(runs), max(seconds, 0.0) / runs, max(lasted, 0.0) / runs)

    def forget(self, handlers: Iterable[str]) -> None:
        """Forget handlers whose message was lost: one may have killed the child, so each proves itself anew."""
        for handler in handlers:
            self._averages.pop(handler, None)

    def capacity(self, handler: str) -> int:
        """Return how many runs of a handler one message holds; 1 means that it travels alone."""
        average = self._averages.get(handler)
        if average is None:
            return 1
        by_runs = self._by_runs(average)
        if average.seconds * by_runs <= self.rules.budget:
            return by_runs
        return max(int(self.rules.budget / average.seconds), 1)

    def fits(self, bundle: Bundle) -> int:
        """Return how many entries of this one's handler a message holds at least; 1 when it needs a lane."""
        capacity = self.capacity(bundle.handler)
        return 1 if self.is_long(bundle) else max(capacity // max(bundle.size, largest(capacity)), 1)

    def is_too_large(self, bundle: Bundle) -> bool:
        """Tell whether a message does not hold so many tasks of their handler."""
        return bundle.size > self.capacity(bundle.handler)

    def share(self, bundle: Bundle) -> float:
        """Return which part of a message some tasks take; 1 when it does not even hold them."""
        return 1.0 if self._travels_alone(bundle) else min(bundle.size / self.capacity(bundle.handler), 1.0)

    def bundle_sizes(self) -> dict[str, int]:
        """Return how many hints of each handler may share an entry, as far as that does not depend on its few runs."""
        return {
            handler: largest(self.capacity(handler))
            for handler, average in self._averages.items()
            if self._by_runs(average) == self.rules.most or self.capacity(handler) < self._by_runs(average)
        }

    def shares(self) -> dict[str, float]:
        """Return for each handler that may be packed which part of a message one run takes."""
        capacities = {handler: self.capacity(handler) for handler in self._averages}
        return {handler: 1 / capacity for handler, capacity in capacities.items() if capacity > 1}

    def lingering(self) -> set[str]:
        """Return the handlers that may be packed but keep their child busy for long."""
        return {handler for handler in self.shares() if self._lingers(handler)}

    def pack(self, entries: Sequence[E], *, room: int) -> list[Pack[E]]:
        """Pack entries into messages, in order, for `room` free children. There may be more messages than room."""
        shares = [self.share(entry.bundle) for entry in entries]
        full = min(max(sum(shares) / max(room, 1), SMALLEST_FILL), 1.0)
        packs: list[_Open[E]] = []
        filling: dict[tuple[float, bool], _Open[E]] = {}
        for entry, share in zip(entries, shares, strict=True):
            bundle = entry.bundle
            timeout, long = self._timeout(bundle), self.is_long(bundle)
            current = filling.get((timeout, long)) if share < 1 else None
            if (
                current is None
                or current.fill + CRUMB >= full
                or current.fill + share > min(full + 1 / PARTS, 1.0) + CRUMB
                or current.size + bundle.size > self.rules.most
            ):
                current = _Open(timeout, long=long)
                packs.append(current)
                if share < 1:
                    filling[timeout, long] = current
            current.entries.append(entry)
            current.fill += share
            current.size += bundle.size
        return [self._seal(pack) for pack in packs]

    def _seal(self, pack: _Open[E]) -> Pack[E]:
        # Celery interrupts only what travels alone: in a pack it could not know whom it hits.
        soft = pack.timeout if pack.size == 1 else None
        return Pack(entries=tuple(pack.entries), soft=soft, hard=pack.timeout + self.rules.grace, long=pack.long)

    def is_long(self, bundle: Bundle) -> bool:
        """Tell whether tasks need a lane."""
        return self._travels_alone(bundle) or self._lingers(bundle.handler)

    def _travels_alone(self, bundle: Bundle) -> bool:
        late = self._timeout(bundle) > self.rules.default_timeout
        return bool(bundle.lost) or late or self.capacity(bundle.handler) == 1

    def _by_runs(self, average: _Average) -> int:
        return min(self.rules.most, GROWTH * average.runs)

    def _lingers(self, handler: str) -> bool:
        average = self._averages.get(handler)
        return average is not None and average.lasted > LINGER

    def _timeout(self, bundle: Bundle) -> float:
        return self.rules.default_timeout if bundle.timeout is None else bundle.timeout

    def _learn(self, handler: str, runs: int, seconds: float, lasted: float) -> None:
        average = self._averages.get(handler)
        if average is None:
            self._averages[handler] = _Average(seconds, lasted, runs)
            return
        average.seconds = _moved(average.seconds, seconds, runs)
        average.lasted = _moved(average.lasted, lasted, runs)
        average.runs += runs


def _moved(average: float, seen: float, runs: int) -> float:
    weight = RISE if seen > average else 1 - (1 - FALL) ** runs
    return average + weight * (seen - average)
