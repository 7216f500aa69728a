"""How soon everything was normal again after each kind of fault, and which bars that meets."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.chaos.evidence import Evidence, Injected, Step

from tidewheel_common.core.lifecycle import FINAL

_SERVICES = {"gateway", "scheduler", "dispatcher", "reaper"}

_WITHOUT_DATA = {"emptied", "lost-its-files", "failed-over-empty"}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one kind of fault at one kind of place. Durations are seconds.

    Attributes:
        times: how often it was injected, in storms as well.
        recovered: from each healing until a new task had been accepted and was complete.
        settled: from each healing until due tasks were picked up as fast as usual, and lost ones had been rescued.
    """

    kind: str
    place: str
    times: int
    recovered: Sequence[float]
    settled: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """How many seconds something may take at most."""

    what: str
    seconds: float
    measure: Callable[[Evidence], list[float]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a bar says about a campaign."""

    bar: Bar
    seconds: Sequence[float]

    @property
    def met(self) -> bool | None:
        """Whether even the longest was short enough; None when nothing was measured."""
        return max(self.seconds) <= self.bar.seconds if self.seconds else None

    def sentence(self) -> str:
        """Say it for people."""
        if not self.seconds:
            return f"     {self.bar.what}: not measured"
        word = "met " if self.met else "MISS"
        return (
            f"{word} {self.bar.what}, at most {self.bar.seconds:g} s: {len(self.seconds)} times, "
            f"p50 {median(self.seconds):.1f} s, max {max(self.seconds):.1f} s"
        )


def place_of(target: str) -> str:
    """Return what kind of place a target is."""
    if target == "client-gateway":
        return "link of the clients"
    if target.endswith(("-postgres", "-redis")):
        return f"link to {target.rpartition('-')[2]}"
    kind = target.partition("-")[0]
    return "service" if kind in _SERVICES else kind


def measured(evidence: Evidence) -> list[Measured]:
    """Return what was measured, kind by kind."""
    found: defaultdict[tuple[str, str], list[Injected]] = defaultdict(list)
    for fault in evidence.faults:
        if not fault.error:
            found[fault.kind, place_of(fault.target)].append(fault)
    return [
        Measured(
            kind,
            place,
            len(faults),
            [fault.recovered for fault in faults if fault.recovered is not None],
            [fault.settled for fault in faults if fault.settled is not None],
        )
        for (kind, place), faults in sorted(found.items())
    ]


def _new_work(hit: Callable[[Injected], bool]) -> Callable[[Evidence], list[float]]:
    """Measure from the healing until new work comes through."""

    def measure(evidence: Evidence) -> list[float]:
        return [fault.recovered for fault in evidence.faults if fault.recovered is not None and hit(fault)]

    return measure


def _normal(hit: Callable[[Injected], bool]) -> Callable[[Evidence], list[float]]:
    """Measure from the healing until new work comes through, and due work waits no longer than usual."""

    def measure(evidence: Evidence) -> list[float]:
        return [
            max(fault.recovered, fault.settled or 0.0)
            for fault in evidence.faults
            if fault.recovered is not None and hit(fault)
        ]

    return measure


BARS = (
    Bar(
        "a killed service, from its restart to normal flow",
        5.0,
        _normal(lambda fault: fault.kind == "killed" and place_of(fault.target) == "service"),
    ),
    Bar(
        "a killed executor, from its restart to new work",
        5.0,
        _new_work(lambda fault: fault.kind == "killed" and place_of(fault.target) == "executor"),
    ),
    Bar("a lost executor's tasks, until they run again", 30.0, lambda evidence: rescue_times(evidence)[0]),
    Bar("PostgreSQL, from its restart to normal flow", 10.0, _normal(lambda fault: fault.kind == "crashed")),
    Bar("an emptied Redis, to normal flow", 10.0, _normal(lambda fault: fault.kind in _WITHOUT_DATA)),
)
"""What the project promises itself."""


def bar_results(evidence: Evidence) -> list[Result]:
    """Hold what was measured against every bar."""
    return [Result(bar, bar.measure(evidence)) for bar in BARS]


def rescue_times(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Return the seconds from the loss of an attempt to the next claim of its task, or to its end.

    An attempt is lost when the first fault of its time that may have hit it begins; without one, when it was claimed.

    Returns:
        Those of attempts that were lost outside of storms, and those of attempts that were lost in one.
    """
    targets = ("executor", "everything", "postgres", "valkey")
    hits = sorted(fault.began for fault in evidence.faults if fault.target.startswith(targets))
    storms = [(fault.began, fault.healed) for fault in evidence.faults if fault.kind == "storm"]
    alone: list[float] = []
    stormy: list[float] = []
    for task, log in evidence.attempts.items():
        lost = {attempt for attempt, state in log if state == "lost"}
        for at, seconds in _rescues(evidence.trail.get(task, ()), lost, hits) if lost else ():
            (stormy if any(began <= at + seconds and at <= over for began, over in storms) else alone).append(seconds)
    return alone, stormy


def _rescues(steps: Sequence[Step], lost: set[int], hits: Sequence[float]) -> Iterator[tuple[float, float]]:
    for place, step in enumerate(steps):
        if step.target != "running" or step.attempt not in lost:
            continue
        after = [later for later in steps[place + 1 :] if later.target == "running" or later.target in FINAL]
        given_up = next((later.at for later in steps[place + 1 :] if later.source == "running"), step.at)
        if after:
            at = next((hit for hit in hits if step.at <= hit <= given_up), step.at)
            yield at, after[0].at - at
