"""Which settings of a peer are the fastest here: each setting of its grid after the other, always with the best so far.

A setting that loses or repeats a task, or does not start, is never chosen.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from tests.bench.peers.peer import Peer, Settings
from tests.bench.peers.trial import Failed

Measure = Callable[[Peer], Awaitable[dict[str, float]]]
"""Makes one trial and returns its figures; raises `Failed` when there are none."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One combination of settings, and what came of it."""

    settings: Settings
    figures: dict[str, float] | None
    failure: str | None = None

    @property
    def rate(self) -> float:
        """Tasks a second end to end; 0 for what cannot be chosen."""
        if self.figures is None or self.figures["lost"] or self.figures["repeated"]:
            return 0.0
        return self.figures["end_to_end_per_s"]


async def sweep(peer: Peer, measure: Measure) -> list[Attempt]:
    """Try the grid of a peer, beginning with the settings that it has; return every attempt, in order."""
    attempts = [await _attempt(peer, peer.chosen, measure)]
    for name, values in peer.grid.items():
        best = fastest(attempts).settings
        for value in values:
            settings = {**best, name: value}
            if all(attempt.settings != settings for attempt in attempts):
                attempts.append(await _attempt(peer, settings, measure))
    return attempts


def fastest(attempts: list[Attempt]) -> Attempt:
    """Return the fastest attempt that did everything it had to; of equal ones the first."""
    return max(attempts, key=lambda attempt: attempt.rate)


def record(attempts: list[Attempt], machine: dict[str, str | float]) -> str:
    """Return what a sweep found as JSON: the settings that it chose, and everything that it tried."""
    found = {
        "chosen": fastest(attempts).settings,
        "swept": {"machine": machine, "attempts": [asdict(attempt) for attempt in attempts]},
    }
    return json.dumps(found, indent=2) + "\n"


async def _attempt(peer: Peer, settings: Settings, measure: Measure) -> Attempt:
    try:
        return Attempt(settings=settings, figures=await measure(peer.set_to(settings)))
    except Failed as reason:
        return Attempt(settings=settings, figures=None, failure=str(reason))
