"""What really ran, as the handlers wrote it down: 16 bytes for each run."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ENTRY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Ids against runs; everything but `tasks` must be 0."""

    tasks: int
    lost: int
    """Accepted and never run."""
    duplicated: int
    """Runs beyond the first of a task."""
    strangers: int
    """Run and never accepted."""

    @property
    def exact(self) -> bool:
        return not (self.lost or self.duplicated or self.strangers)

    def __add__(self, other: "Count") -> "Count":
        return Count(
            tasks=self.tasks + other.tasks,
            lost=self.lost + other.lost,
            duplicated=self.duplicated + other.duplicated,
            strangers=self.strangers + other.strangers,
        )


NOTHING = Count(tasks=0, lost=0, duplicated=0, strangers=0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A file that the handlers append to. Asking for its length disturbs nobody."""

    path: Path

    def runs(self) -> int:
        """Return how many runs there have been since it was emptied."""
        return self.path.stat().st_size // _ENTRY

    def empty(self) -> None:
        os.truncate(self.path, 0)

    def count(self, accepted: Iterable[bytes]) -> Count:
        """Hold the accepted ids, as the answers spelt them, against the runs."""
        content = self.path.read_bytes()
        runs = Counter(content[place : place + _ENTRY] for place in range(0, len(content), _ENTRY))
        expected = Counter(bytes.fromhex(task_id.decode().replace("-", "")) for task_id in accepted)
        return Count(
            tasks=len(expected),
            lost=sum(1 for task_id in expected if task_id not in runs),
            # An id that was answered twice stands for two tasks that became one: that is a loss as well.
            duplicated=sum(times - 1 for times in runs.values()) + sum(times - 1 for times in expected.values()),
            strangers=sum(1 for task_id in runs if task_id not in expected),
        )
