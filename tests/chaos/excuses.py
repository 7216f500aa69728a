"""Which fault explains what: an error in a log, or an attempt that was lost."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.evidence import Evidence, Injected

AFTERMATH = 20.0
"""Seconds after its healing in which a fault may still be complained about."""

_LEAP = 1800.0
"""Seconds between two lines of a log that only a moved clock explains."""

_KILLS = {"killed", "child-killed", "frozen", "all-killed"}
"""What an executor does not survive, or not as one that holds its tasks."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What a process may complain about while a fault hits it.

    Attributes:
        pattern: of the complaint.
        hits: tells whether a fault hits a process in the way that explains it.
    """

    pattern: re.Pattern[str]
    hits: Callable[[Injected, str], bool]


def kills(fault: Injected, executor: str) -> bool:
    """Tell whether a fault takes an executor's tasks out of its hands."""
    return fault.kind in _KILLS and fault.target in {executor, "executors", "everything"}


def takes_valkey_away(fault: Injected, process: str) -> bool:
    """Tell whether a fault comes between a process and Valkey."""
    return fault.target in {"valkey", "everything", f"{process}-redis"}


def takes_postgres_away(fault: Injected, process: str) -> bool:
    """Tell whether a fault comes between a process and PostgreSQL; a clock that jumps does not."""
    return fault.target in {"postgres", "everything", f"{process}-postgres"} and not fault.kind.startswith("jumped")


EXCUSES: Sequence[Excuse] = (
    # What Celery itself calls an error when a fault did what it was meant to do.
    Excuse(re.compile(r"Process 'ForkPoolWorker-\d+' pid:\d+ exited with 'signal \d+"), kills),
    Excuse(re.compile(r"consumer: Cannot connect to tidewheel_executor\.transport"), takes_valkey_away),
    Excuse(re.compile(r"Connection to broker lost"), takes_valkey_away),
    # A child was killed: what it had is reported, and runs again.
    Excuse(re.compile(r"^error: message lost"), kills),
)
"""Everything of the level ERROR that may be logged, each with the faults that explain it."""


def explained(evidence: Evidence, process: str, complaint: str, at: float | None) -> bool:
    """Tell whether a fault explains what a process complained about at an instant."""
    return at is not None and any(
        excuse.hits(fault, process) and fault.began <= at <= over(evidence, fault) + AFTERMATH
        for excuse in EXCUSES
        if excuse.pattern.search(complaint)
        for fault in evidence.faults
    )


def over(evidence: Evidence, fault: Injected) -> float:
    """Return when a fault and what came of it were over; in a storm, when the storm was."""
    storms = [storm.healed for storm in evidence.faults if storm.kind == "storm" and _within(fault, storm)]
    return max([fault.healed + (fault.recovered or 0.0), *storms])


def _within(fault: Injected, storm: Injected) -> bool:
    return storm.began <= fault.began <= storm.healed


def lost_for_a_reason(evidence: Evidence, executor: str, began: float, given_up: float) -> bool:
    """Tell whether an executor was hit, or cut off from PostgreSQL for its lease, while it held an attempt."""
    if any(kills(fault, executor) and fault.began <= given_up and fault.healed >= began for fault in evidence.faults):
        return True
    return any(
        until - since >= evidence.lease and since <= given_up and until >= began
        for since, until in outages(evidence, executor)
    )


def outages(evidence: Evidence, executor: str) -> Iterator[tuple[float, float]]:
    """Return when an executor could not reach PostgreSQL; faults that follow each other closely are one outage."""
    faults = [fault for fault in evidence.faults if takes_postgres_away(fault, executor)]
    since = until = float("-inf")
    for fault in sorted(faults, key=lambda fault: fault.began):
        end = fault.healed + (fault.recovered or 0.0)
        if fault.began > until + 1.0:
            if until > since:
                yield since, until
            since = fault.began
        until = max(until, end)
    if until > since:
        yield since, until


def dated(lines: Sequence[str]) -> Iterator[tuple[float | None, str]]:
    """Return each line of a log with its time; one that has none, or that a moved clock gave it, has that of the last.

    Until a first time is known it is None.
    """
    last: float | None = None
    for line in lines:
        at = _time_of(line)
        if at is not None and (last is None or abs(at - last) < _LEAP):
            last = at
        yield last, line


def _time_of(line: str) -> float | None:
    try:
        return datetime.fromisoformat(str(json.loads(line)["timestamp"])).timestamp()
    except (ValueError, KeyError, TypeError):
        return None
