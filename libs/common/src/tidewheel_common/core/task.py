"""What a task is made of, in the words of its users."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Priority(IntEnum):
    """The lower the number, the earlier it runs; stored as the number."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2

    @property
    def word(self) -> str:
        """Return the word that the API and the stream keys use."""
        return self.name.lower()


class Delivery(StrEnum):
    """What happens to a task whose executor was lost."""

    AT_LEAST_ONCE = "at_least_once"
    """It runs again."""
    AT_MOST_ONCE = "at_most_once"
    """It ends `dead` with the reason `lost`, and never runs again."""


class Reason(StrEnum):
    """Why a task ended other than by its handler's return."""

    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    PERMANENT = "permanent"
    LOST = "lost"
    POISON = "poison"
    UNSEALABLE = "unsealable"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARENT_FAILED = "parent_failed"


POISON_LIMIT = 3
"""How often a task may lose its executor before it is `dead` with the reason `poison`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how far apart a task is tried. Durations are seconds."""

    max_attempts: int = 5
    initial: float = 2.0
    factor: float = 2.0
    maximum: float = 3600.0
    jitter: float = 0.1
