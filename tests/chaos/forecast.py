"""Says beforehand how many faults a campaign comes to, from how long each lasts and a recovery usually takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.chaos.recovery import place_of
from tests.chaos.schedule import Planned

_RECOVERS = {
    ("all-killed", "everything"): 28.0,
    ("all-killed", "executors"): 16.0,
    ("crashed", "postgres"): 7.0,
    ("crowded", "postgres"): 17.0,
    ("filled", "postgres"): 11.0,
    ("frozen", "executor"): 24.0,
    ("killed", "executor"): 10.0,
    ("starved", "valkey"): 6.0,
    ("stopped", "executor"): 4.0,
}
_USUALLY = 1.0
"""Seconds from a healing until everything flows as usual, where that is not listed; as `make chaos` measured them."""

_STORM_RECOVERS = 35.0
"""Seconds from the last healing of a storm until the next one, with what restarts longer than its faults last."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a campaign comes to until its time is over.

    Attributes:
        faults: of all kinds.
        storms: in which some of them come.
        alone: seconds that the first faults take, each on its own, before the first storm; None when there is no storm.
    """

    faults: int
    storms: int
    alone: float | None


def forecast(schedule: Sequence[Planned], *, seconds: float) -> Forecast:
    """Work out how far a campaign gets in its time."""
    faults = storms = 0
    began = 0.0
    alone: float | None = None
    for together, lasts in _steps(schedule):
        if began >= seconds:
            break
        if together[0].storm:
            storms += 1
            alone = began if alone is None else alone
        faults += len(together)
        began += lasts
    return Forecast(faults, storms, alone)


def _steps(schedule: Sequence[Planned]) -> Iterator[tuple[list[Planned], float]]:
    """Yield what is injected together, and the seconds until the next step."""
    for storm, group in groupby(schedule, key=lambda planned: planned.storm or object()):
        together = list(group)
        if isinstance(storm, int):
            begins = [sum(before.pause for before in together[:place]) for place in range(len(together))]
            ends = [begin + planned.lasts for begin, planned in zip(begins, together, strict=True)]
            yield together, max(ends) + _STORM_RECOVERS
        else:
            [planned] = together
            yield together, planned.lasts + _recovers(planned) + planned.pause


def _recovers(planned: Planned) -> float:
    place = planned.target if planned.kind == "all-killed" else place_of(planned.target)
    return _RECOVERS.get((planned.kind, place), _USUALLY)
