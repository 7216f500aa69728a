"""The effect ledger: what handlers really did, written outside of the system under test.

Each start and each end of a run is one line that a handler appends to a file. A line is one `write` on a descriptor
that was opened with O_APPEND, so lines of many processes never mix, and a killed process leaves none half written.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def instant() -> float:
    """Seconds since the epoch on the rig's own clock, which no fault moves."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def epoch() -> float:
    """Return what the monotonic clock of this machine must be given to be `instant()`, in any of its processes."""
    return instant() - time.monotonic()


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a handler in an executor; `ended` is None when its process was lost."""

    task: str
    attempt: int
    who: str
    pid: int
    began: float
    ended: float | None
    executor: str = ""


def append(path: Path, *, what: str, task: str, attempt: int, who: str, executor: str, at: float) -> None:
    """Write one line."""
    line = f"{what} {task} {attempt} {who} {os.getpid()} {at:.6f} {executor}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read_runs(lines: Iterable[str]) -> list[Run]:
    """Pair starts with ends; each start is a run of its own, also when it is the second of an attempt."""
    runs: list[Run] = []
    open_at: dict[tuple[str, str, str], int] = {}
    for line in lines:
        what, task, attempt, who, pid, at, executor = line.split()
        place = (task, attempt, pid)
        if what == "start":
            open_at[place] = len(runs)
            runs.append(Run(task, int(attempt), who, int(pid), float(at), None, executor))
        else:
            number = open_at.pop(place)
            begun = runs[number]
            runs[number] = Run(task, begun.attempt, who, begun.pid, begun.began, float(at), executor)
    return runs
