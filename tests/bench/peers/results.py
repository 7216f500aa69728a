"""What all trials gave: kept as JSON, summed up as medians with the range."""

import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.bench.peers.peer import Peer


@dataclass(kw_only=True)
class System:
    """A system and the figures of its trials."""

    key: str
    name: str
    version: str
    stores: str
    settings: str
    without: list[str]
    sources: list[str]
    published: str
    trials: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(cls, peer: Peer) -> "System":
        return cls(
            key=peer.key,
            name=peer.name,
            version=peer.version,
            stores=peer.stores,
            settings=peer.setup,
            without=list(peer.without),
            sources=list(peer.sources),
            published=peer.published,
        )

    def values(self, figure: str) -> list[float]:
        """Return one figure of every trial."""
        return [trial[figure] for trial in self.trials]

    def median(self, figure: str) -> float:
        return statistics.median(self.values(figure))


@dataclass(kw_only=True)
class Results:
    """All of one comparison.

    Attributes:
        tasks: what was asked for in each phase; the trials say what each system was given.
        left_out: systems that could not be installed, and why.
        failures: trials that did not end, and why.
    """

    machine: dict[str, str | float]
    tasks: int
    systems: list[System]
    left_out: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Results":
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**found, "systems": [System(**system) for system in found["systems"]]})

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def ranked(self) -> list[System]:
        """Return the systems that were measured, the fastest end to end first."""
        measured = [system for system in self.systems if system.trials]
        return sorted(measured, key=lambda system: -system.median("end_to_end_per_s"))

    def losses_of(self, key: str) -> float:
        """Return how many tasks a system lost in all its trials."""
        return sum(sum(system.values("lost")) for system in self.systems if system.key == key)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system as a line of text."""

    COLUMNS: ClassVar = (
        *("system", "tasks", "end to end /s", "drain /s", "enqueue s", "CPU s per 1,000", "lost", "repeated"),
    )
    system: System

    @classmethod
    def of(cls, system: System) -> "Row":
        return cls(system=system)

    def cells(self) -> tuple[str, ...]:
        return (
            f"{self.system.name} {self.system.version}",
            f"{self.system.median('tasks'):,.0f}",
            self._with_range("end_to_end_per_s", ",.0f"),
            self._with_range("drain_per_s", ",.0f"),
            self._with_range("enqueue_seconds", ".2f"),
            self._with_range("cpu_seconds_per_1000", ".3f"),
            f"{sum(self.system.values('lost')):.0f}",
            f"{sum(self.system.values('repeated')):.0f}",
        )

    def _with_range(self, figure: str, form: str) -> str:
        values = self.system.values(figure)
        middle = format(self.system.median(figure), form)
        return middle if len(values) == 1 else f"{middle} ({min(values):{form}}-{max(values):{form}})"


def machine() -> dict[str, str | float]:
    """Describe this machine, and how busy it was with other things."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": float(len(os.sched_getaffinity(0))),
        "processor": models[0] if models else platform.machine(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }
