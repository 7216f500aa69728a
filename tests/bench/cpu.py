"""Whose CPU time it was: each process of a stack, and each session of PostgreSQL by the service that opened it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

GENERATOR = "load generator"

_CHILDREN = {"executor": "executor, its children", "postgres": "postgres, in the background"}
"""Who a process belongs to that a service has started; that of other services to the service itself."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process has spent until now, in seconds."""

    service: str
    hop: str
    seconds: float


Clocks = Mapping[int, Spent]
"""By process id; the negative id of a process stands for its children that have ended."""


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it."""
    head = psutil.Process(pid)
    return [head, *head.children(recursive=True)]


def clocks(services: Mapping[str, int], sessions: Mapping[int, str]) -> Clocks:
    """Read the clocks of all processes.

    Args:
        services: the head of each service by its name.
        sessions: whom the processes of PostgreSQL work for, as far as it is known.
    """
    found: dict[int, Spent] = {}
    for service, head in services.items():
        below = _CHILDREN.get(service, service)
        for process in family(head):
            hop = service if process.pid == head and service != "postgres" else sessions.get(process.pid, below)
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:  # ended just now; its parent has its time
                continue
            found[process.pid] = Spent(service, hop, times.user + times.system)
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            found[-process.pid] = Spent(service, below, ended)
    return found


def seconds_between(before: Clocks, after: Clocks) -> dict[str, float]:
    """Return what has been spent, by hop.

    What a process that has ended since then had spent before is taken off again where its parent's clock has put it.
    """
    spent: dict[str, float] = defaultdict(float)
    for pid, now in after.items():
        spent[now.hop] += now.seconds - (before[pid].seconds if pid in before else 0.0)
    for pid, then in before.items():
        if pid not in after:
            spent[_CHILDREN.get(then.service, then.service)] -= then.seconds
    return dict(spent)
