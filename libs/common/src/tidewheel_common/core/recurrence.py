"""When a rule fires: every so many seconds, by a cron expression or an RFC 5545 rule in a zone, or by the sun."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tidewheel_common.core.cron import cron_times, cron_walls
from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.rrule import rrule_walls
from tidewheel_common.core.solar import Solar
from tidewheel_common.core.walls import SECOND, Walls, instants, read_zone, wall_of

SHORTEST = 0.1
LONGEST = 10 * 366 * 86400.0
"""Seconds between which `every` must lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A checked recurrence: exactly one of `every` (seconds, counted from `anchor`), `cron`, `rrule`, `solar` is set.

    A nominal time is an instant at which the recurrence says that something is due.
    """

    anchor: datetime
    every: float | None = None
    cron: str | None = None
    rrule: str | None = None
    solar: Solar | None = None
    timezone: str = "UTC"
    dst: Dst = field(default_factory=Dst)

    def __post_init__(self) -> None:
        """Check the recurrence.

        Raises:
            InvalidSchedule: it has no rule or several, or one that no clock can follow.
        """
        if sum(each is not None for each in (self.every, self.cron, self.rrule, self.solar)) != 1:
            raise InvalidSchedule("A schedule needs either `every` or `cron`, `rrule` or `solar`, and not both.")
        read_zone(self.timezone)
        if self.every is not None and not (math.isfinite(self.every) and SHORTEST <= self.every <= LONGEST):
            raise InvalidSchedule(f"`every` must be from {SHORTEST} to {LONGEST:.0f} seconds, not {self.every}.")
        self.next_after(self.anchor)

    def next_after(self, instant: datetime) -> datetime:
        """Return the first nominal time that is strictly after an instant, in UTC.

        Raises:
            InvalidSchedule: there is none before the end of the calendar, or within 50 years.
        """
        try:
            return next(self.times_after(instant))
        except StopIteration:
            raise InvalidSchedule(f"{self.cron or self.rrule!r} never matches a date.") from None
        except OverflowError:
            raise InvalidSchedule(f"The next time after {instant.isoformat()} is beyond the calendar.") from None

    def times_after(self, instant: datetime) -> Iterator[datetime]:
        """Return the nominal times that are strictly after an instant, in UTC, in order."""
        if self.every is not None:
            return _steps(self.anchor.astimezone(UTC), timedelta(seconds=self.every), instant.astimezone(UTC))
        if self.solar is not None:
            return self.solar.times_after(instant)
        zone = read_zone(self.timezone)
        if self.cron is not None:
            return cron_times(self.cron, zone, instant, self.dst)
        gap, overlap = self.dst.gap or Gap.SHIFT, self.dst.overlap or Overlap.FIRST
        return instants(self._walls(), zone, instant.astimezone(UTC), gap, overlap)

    def is_shifted(self, instant: datetime) -> bool:
        """Tell whether one of its times is a clock change that stands for times that it skipped."""
        if self.cron is None and self.rrule is None:
            return False
        wall = wall_of(instant, read_zone(self.timezone))
        return next(self._walls()(wall - SECOND), None) != wall

    def _walls(self) -> Walls:
        if self.cron is not None:
            return cron_walls(self.cron)
        return rrule_walls(self.rrule or "", wall_of(self.anchor, read_zone(self.timezone)))


def _steps(anchor: datetime, step: timedelta, after: datetime) -> Iterator[datetime]:
    # Whole microseconds throughout: a sum of floats would drift off the anchor.
    time = anchor if after < anchor else anchor + ((after - anchor) // step + 1) * step
    while True:
        yield time
        time += step
