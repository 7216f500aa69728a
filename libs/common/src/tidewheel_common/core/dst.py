"""What a rule does at a clock change, where its user says so."""

from dataclasses import dataclass
from enum import StrEnum


class Gap(StrEnum):
    """What becomes of a time that a spring change skips."""

    SHIFT = "shift"
    """It fires at the change, once for all the times that the change skips."""
    SKIP = "skip"
    """It does not fire."""


class Overlap(StrEnum):
    """What becomes of a time that an autumn change repeats."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dst:
    """A user's choice; what is None follows the kind of the rule.

    A rule with a fixed minute and hour then shifts in a gap and fires once in an overlap. A rule whose minute or hour
    starts with `*`, and an interval, follow elapsed time.
    """

    gap: Gap | None = None
    overlap: Overlap | None = None
