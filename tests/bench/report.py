"""What a scenario found: figures with their spread, bars, the count of ids, and what it cost."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.ledger import NOTHING, Count
from tests.bench.meter import Cost


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, once or several times; its value is the median."""

    name: str
    unit: str
    runs: Sequence[float]

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "low": min(self.runs),
            "high": max(self.runs),
            "runs": list(self.runs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a figure is held against: at most or at least a limit."""

    figure: str
    most: float | None = None
    least: float | None = None

    def met_by(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        return f"≤ {self.most:,g}" if self.most is not None else f"≥ {self.least:,g}"


@dataclass(frozen=True, slots=True)
class Table:
    """What does not fit into figures, as it is shown."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(slots=True, kw_only=True)
class Report:
    """What one scenario found."""

    figures: list[Figure] = field(default_factory=list)
    table: Table | None = None
    bars: list[Bar] = field(default_factory=list)
    cost: Cost | None = None
    count: Count = NOTHING
    refused: dict[int, int] = field(default_factory=dict)

    def add(self, count: Count, refused: Mapping[int, int]) -> None:
        """Add the count of one load's ids, and its requests that were not accepted."""
        self.count += count
        for status, times in refused.items():
            self.refused[status] = self.refused.get(status, 0) + times

    def value(self, name: str) -> float:
        return next(figure.value for figure in self.figures if figure.name == name)

    def as_json(self) -> dict[str, Any]:
        units = {figure.name: figure.unit for figure in self.figures}
        return {
            "figures": [figure.as_json() for figure in self.figures],
            "bars": [
                {
                    "figure": bar.figure,
                    "unit": units[bar.figure],
                    "bar": str(bar),
                    "measured": self.value(bar.figure),
                    "met": bar.met_by(self.value(bar.figure)),
                }
                for bar in self.bars
            ],
            "table": None if self.table is None else asdict(self.table),
            "cost": None if self.cost is None else asdict(self.cost),
            "count": asdict(self.count),
            "refused": self.refused,
        }


def quantile(values: Sequence[float], part: float) -> float:
    """Return the nearest rank; not a number when there are no values."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(math.ceil(part * len(ranked)) - 1, 0)]
