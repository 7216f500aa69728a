"""Who is told of what: the events, and whether a tenant's rule covers a task. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Event(StrEnum):
    """What somebody may want to be told of."""

    COMPLETE = "complete"
    """A task is complete."""
    DEAD = "dead"
    """A task is dead."""
    LATE = "late"
    """A schedule fired later than it should have, or a task has not begun in time."""
    MISSED = "missed"
    """A schedule did not fire for a time that had come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a rule covers: events, and patterns in which `*` stands for anything; None covers all.

    Attributes:
        late_after: seconds after which a task is late that has not begun; None when only schedules can be.
    """

    events: frozenset[str]
    handler: str | None = None
    queue: str | None = None
    tag: str | None = None
    late_after: float | None = None

    def covers(self, handler: str, queue: str, tags: Iterable[str]) -> bool:
        """Tell whether it covers a task or a schedule, whatever the event."""
        return (
            _fits(self.handler, handler)
            and _fits(self.queue, queue)
            and (self.tag is None or any(_fits(self.tag, tag) for tag in tags))
        )


def _fits(pattern: str | None, text: str) -> bool:
    return pattern is None or pattern == text or ("*" in pattern and bool(_compiled(pattern).fullmatch(text)))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.sub(r"\*+", "*", pattern).split("*"))), re.DOTALL)
