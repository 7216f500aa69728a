"""Which fault comes when: drawn from a seed, the same for the same seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from tests.chaos import faults, faults_postgres, faults_valkey
from tests.chaos.cluster import CLIENT_LINK
from tests.chaos.faults import Fault

KINDS: Mapping[str, Fault] = {
    "killed": faults.killed,
    "all-killed": faults.all_killed,
    "stopped": faults.stopped,
    "frozen": faults.frozen,
    "child-killed": faults.childless,
    "clock-ahead": faults.clock_ahead,
    "clock-behind": faults.clock_behind,
    "crashed": faults_postgres.crashed,
    "disconnected": faults_postgres.disconnected,
    "crowded": faults_postgres.crowded,
    "filled": faults_postgres.filled,
    "jumped-ahead": faults_postgres.jumped_ahead,
    "jumped-back": faults_postgres.jumped_back,
    "emptied": faults_valkey.emptied,
    "ungrouped": faults_valkey.ungrouped,
    "starved": faults_valkey.starved,
    "lost-its-files": faults_valkey.emptied_on_disk,
    "lost-half-its-files": faults_valkey.truncated_on_disk,
    "failed-over": faults_valkey.failed_over,
    "failed-over-empty": faults_valkey.failed_over_empty,
    "cut": faults.cut,
    "reset": faults.reset,
    "muted": faults.muted,
    "silenced": faults.silenced,
    "unanswered": faults.unanswered,
    "slowed": faults.slowed,
}
"""Every kind of fault by name."""

CLOCKS = ("clock-ahead", "clock-behind")
"""Kinds that need a library that moves clocks."""

DISK = ("filled",)
"""Kinds that need a disk of their own."""

_SERVICE = ("killed", "stopped", "frozen", *CLOCKS)
_VALKEY = (
    *("killed", "frozen", "emptied", "ungrouped", "starved", "lost-its-files", "lost-half-its-files"),
    *("failed-over", "failed-over-empty"),
)
_POSTGRES = ("crashed", "disconnected", "crowded", "jumped-ahead", "jumped-back", *DISK)
_LINK = ("cut", "reset", "muted", "silenced", "unanswered", "slowed")

_LASTS = {
    "frozen": (2.0, 8.0),
    "starved": (2.0, 6.0),
    "clock-ahead": (2.0, 4.0),
    "clock-behind": (2.0, 4.0),
    "jumped-ahead": (2.0, 5.0),
    "jumped-back": (2.0, 5.0),
    "crowded": (2.0, 4.0),
    "filled": (2.0, 5.0),
}
_LINK_LASTS = (1.0, 2.5)
_UNHEARD_LASTS = (1.0, 5.0)
"""Seconds of silence on a link: some longer than a timeout."""

_ALONE_PAUSE = (0.1, 0.4)
_STORM_PAUSE = (0.2, 1.0)

STORM = 10
"""Faults that overlap in one storm."""

_ZOMBIE = (18.0, 22.0)
"""Seconds that an executor is frozen: longer than it may be silent, so that its tasks are given to others."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule. Durations are seconds.

    Attributes:
        lasts: until it is healed.
        pause: quiet time after it; in a storm, time until the next one begins.
        storm: the number of the storm that it is part of: all of one number overlap; 0 is a fault on its own.
    """

    kind: str
    target: str
    lasts: float
    pause: float
    storm: int = 0


def catalogue(services: Sequence[str]) -> list[tuple[str, str]]:
    """Return every (kind, target) that there is for such a cluster."""
    links = [f"{service}-{store}" for service in services for store in ("postgres", "redis")]
    return [
        *((kind, service) for service in services for kind in _SERVICE),
        ("all-killed", "executors"),
        ("all-killed", "everything"),
        *(("child-killed", service) for service in services if service.startswith("executor")),
        *((kind, "valkey") for kind in _VALKEY),
        *((kind, "postgres") for kind in _POSTGRES),
        *((kind, link) for link in (CLIENT_LINK, *links) for kind in _LINK),
    ]


def draw_round(random: Random, services: Sequence[str], pause: tuple[float, float]) -> list[Planned]:
    """Draw one round: everything once, in an order of its own, with pauses between two lengths."""
    found = catalogue(services)
    random.shuffle(found)
    return [
        Planned(kind, target, _lasts(random, kind, target), round(random.uniform(*pause), 2)) for kind, target in found
    ]


def _lasts(random: Random, kind: str, target: str) -> float:
    if kind == "frozen" and target.startswith("executor"):
        lasts = random.uniform(*_ZOMBIE)
    elif kind in {"muted", "silenced"}:
        lasts = random.uniform(*_UNHEARD_LASTS)
    elif kind in _LINK and kind != "reset":
        lasts = random.uniform(*_LINK_LASTS)
    else:
        lasts = random.uniform(*_LASTS.get(kind, (0.0, 0.0)))
    return round(lasts, 2)


def draw_schedule(seed: int, services: Sequence[str], *, rounds: int, kinds: Sequence[str] = ()) -> list[Planned]:
    """Return the whole schedule of a seed: every other round comes in storms. `kinds` leaves others out."""
    random = Random(seed)  # noqa: S311 - a seed must replay
    drawn: list[Planned] = []
    storms = count(1)
    for number in range(rounds):
        alone = number % 2 == 0
        drawn_round = draw_round(random, services, _ALONE_PAUSE if alone else _STORM_PAUSE)
        found = [planned for planned in drawn_round if not kinds or planned.kind in kinds]
        drawn += found if alone else [planned for storm in _storms(found, storms) for planned in storm]
    return drawn


def _storms(found: Sequence[Planned], numbers: Iterator[int]) -> Iterator[list[Planned]]:
    """Group faults so that no target stands in one storm twice."""
    left = list(found)
    while left:
        number, targets = next(numbers), set[str]()
        storm: list[Planned] = []
        for planned in left:
            if len(storm) < STORM and planned.target not in targets:
                storm.append(replace(planned, storm=number))
                targets.add(planned.target)
        taken = {(planned.kind, planned.target) for planned in storm}
        left = [planned for planned in left if (planned.kind, planned.target) not in taken]
        yield storm
