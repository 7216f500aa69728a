"""How much of each part a rate asks for, by the budgets that were measured: a model, not a measurement."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

RATE = 10_000
"""Tasks a second."""

_FREE = 0.5
"""The part of each core that is left free."""

HEADER = ("part", "CPU of a task", f"cores at {RATE:,}/s", "to plan")

_Plan = Callable[[float], str]


def replicas(cores: float) -> str:
    """Return how many replicas of one core to plan for so many busy cores; two at least, so that one may go."""
    return f"{max(2, math.ceil(cores / _FREE))} replicas of 1 CPU"


def _executors(cores: float) -> str:
    return f"{replicas(cores)} for no-ops, and the work itself on top; a pool for each kind of work"


def _redis(cores: float) -> str:
    return f"a node with a replica; {100 * cores:.0f} % of its one thread, and a few seconds of hints"


def _postgres(cores: float) -> str:
    return f"{max(4, math.ceil(cores / _FREE))} cores"


# The gateway differs most between the two ways of submitting; everything else is of the batches.
_PARTS: Sequence[tuple[str, str, Sequence[str], _Plan]] = (
    ("gateway, by batch", "batch", ("gateway",), replicas),
    ("gateway, single submits", "single", ("gateway",), replicas),
    ("dispatcher", "batch", ("dispatcher",), replicas),
    ("executor, beside the work itself", "batch", ("executor",), _executors),
    ("scheduler, reaper", "batch", ("scheduler", "reaper"), replicas),
    ("Redis", "batch", ("valkey",), _redis),
    ("PostgreSQL", "batch", ("postgres",), _postgres),
)


def sizing(scenarios: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each part whose scenario was measured, and one for what PostgreSQL writes."""
    rows: list[tuple[str, ...]] = []
    for part, scenario, services, plan in _PARTS:
        if scenario in scenarios:
            microseconds = _of(scenarios[scenario]["cost"]["cpu"], services)
            cores = microseconds * RATE / 1e6
            rows.append((part, f"{microseconds:,.0f} µs", f"{cores:.1f}", plan(cores)))
    if "batch" in scenarios:
        written = scenarios["batch"]["cost"]["wal"]
        disk = f"a disk of {10 * math.ceil(2 * written * RATE / 1e7):,} MB/s"
        rows.append(("PostgreSQL's WAL", f"{written:,.0f} B", f"{written * RATE / 1e6:.0f} MB/s", disk))
    return rows


def _of(cpu: Mapping[str, float], services: Sequence[str]) -> float:
    """Return what some services take; what PostgreSQL does for them counts as PostgreSQL's."""
    return sum(spent for hop, spent in cpu.items() if _service(hop) in services)


def _service(hop: str) -> str:
    """Return the service of a hop, whose name begins with it."""
    return hop.replace(",", " ").split()[0]
