"""Days on which a schedule does not fire: dates and ranges of dates, grouped in calendars that have a name.

A calendar stands in the schedule itself (ADR 0015): what is excluded is seen where the rule is seen, and no change
elsewhere moves a fire.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Days:
    """From one day to another, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Days under a name, such as the holidays of a country."""

    name: str | None = None
    days: tuple[Days, ...]


def excluded(calendars: Sequence[Calendar], day: date) -> str | None:
    """Return why a day is excluded, as a sentence; None when it is not."""
    for calendar in calendars:
        if any(days.first <= day <= days.last for days in calendar.days):
            return f"{day.isoformat()} is excluded{f' by the calendar {calendar.name!r}' if calendar.name else ''}."
    return None
