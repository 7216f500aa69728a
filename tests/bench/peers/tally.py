"""Counts what the handlers of one run have written down."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.record import ENTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the numbers of one phase.

    Attributes:
        lost: numbers whose handler never ran.
        repeated: runs beyond the first.
    """

    lost: int
    repeated: int


def entries(records: Path) -> int:
    """Return how many runs are written down, without reading them."""
    return sum(path.stat().st_size for path in records.iterdir()) // ENTRY.size


def recorders(records: Path) -> int:
    """Return how many processes have run a handler."""
    return sum(1 for _ in records.iterdir())


def count(records: Path, numbers: range) -> Tally:
    """Count the runs of the given numbers."""
    runs = Counter(number for number in _runs(records) if number in numbers)
    return Tally(lost=len(numbers) - len(runs), repeated=runs.total() - len(runs))


def _runs(records: Path) -> Iterator[int]:
    for path in records.iterdir():
        yield from (number for (number,) in ENTRY.iter_unpack(path.read_bytes()))
