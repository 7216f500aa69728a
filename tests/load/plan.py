"""What a load consists of: scenarios.json, which the k6 scripts read too."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a load, in which the rate (tasks a second) goes evenly from one to another."""

    start: float
    end: float
    seconds: float

    @property
    def tasks(self) -> float:
        return (self.start + self.end) / 2 * self.seconds

    def when(self, task: float) -> float:
        """Return after how many seconds of the piece so many tasks are due."""
        slope = (self.end - self.start) / self.seconds
        if abs(slope) < 1e-9:
            return task / self.start
        return (sqrt(max(self.start**2 + 2 * slope * task, 0.0)) - self.start) / slope


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A load.

    Attributes:
        batch: tasks in one request.
        limits: what is asked of the system, by name.
    """

    name: str
    about: str
    batch: int
    pieces: tuple[Piece, ...]
    limits: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)

    @property
    def height(self) -> float:
        """The highest rate, in tasks a second."""
        return max(max(piece.start, piece.end) for piece in self.pieces)

    def scaled(self, *, seconds: float | None, rate: float | None) -> "Plan":
        """Return the same load with another length in all, or another height."""
        shorter = 1.0 if seconds is None else seconds / self.seconds
        slower = 1.0 if rate is None else rate / self.height
        pieces = (
            Piece(start=piece.start * slower, end=piece.end * slower, seconds=piece.seconds * shorter)
            for piece in self.pieces
        )
        return replace(self, pieces=tuple(pieces))

    def dues(self) -> Iterator[float]:
        """Return when each request is due, in seconds from the start."""
        before, began = 0.0, 0.0
        due = 0
        for piece in self.pieces:
            while due < before + piece.tasks - 1e-9:
                yield began + piece.when(due - before)
                due += self.batch
            before, began = before + piece.tasks, began + piece.seconds


def plans() -> dict[str, Plan]:
    """Read all loads."""
    found = json.loads(SCENARIOS.read_text(encoding="utf-8"))
    return {
        name: Plan(
            name=name,
            about=given["about"],
            batch=given["batch"],
            pieces=tuple(
                Piece(start=piece["from"], end=piece["to"], seconds=piece["seconds"]) for piece in given["pieces"]
            ),
            limits=given["limits"],
        )
        for name, given in found.items()
    }
