"""When a recurring schedule fires: every so many seconds, or by a cron expression in an IANA zone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tidewheel_common.core.cron import cron_times, read_zone
from tidewheel_common.core.dst import Dst
from tidewheel_common.core.errors import InvalidSchedule

SHORTEST = 0.1
LONGEST = 10 * 366 * 86400.0
"""Seconds between which `every` must lie."""

_LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=367))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A checked recurrence: exactly one of `every` (seconds, counted from `anchor`) and `cron` is set.

    A nominal time is an instant at which the recurrence says that something is due.
    """

    anchor: datetime
    every: float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    dst: Dst = field(default_factory=Dst)

    def __post_init__(self) -> None:
        """Check the recurrence.

        Raises:
            InvalidSchedule: it has both or neither rule, or one that no clock can follow.
        """
        if (self.every is None) == (self.cron is None):
            raise InvalidSchedule("A schedule needs either `every` or `cron`, and not both.")
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
            raise InvalidSchedule(f"{self.cron!r} never matches a date.") from None
        except OverflowError:
            raise InvalidSchedule(f"The next time after {instant.isoformat()} is beyond the calendar.") from None

    def latest_until(self, first: datetime, instant: datetime) -> datetime:
        """Return the last nominal time up to an instant (included), given one that is not after it, in UTC.

        Args:
            first: a time that is known to be due, such as the stored one; returned when no later one is.
            instant: the latest time to return.
        """
        if self.every is not None:
            anchor, step = self.anchor.astimezone(UTC), timedelta(seconds=self.every)
            return max(first, anchor + (instant - anchor) // step * step) if instant >= anchor else first
        if self.next_after(first) > instant:
            return first
        # A short look back first: it holds few times even when the rule fires each minute and the downtime was long.
        for span in _LOOK_BACK:
            if (latest := self._last_between(max(first, instant - span), instant)) is not None:
                return latest
        return self._last_between(first, instant) or first

    def _last_between(self, since: datetime, until: datetime) -> datetime | None:
        latest = None
        for time in self.times_after(since):
            if time > until:
                break
            latest = time
        return latest

    def times_after(self, instant: datetime) -> Iterator[datetime]:
        """Return the nominal times that are strictly after an instant, in UTC, in order."""
        if self.every is None:
            return cron_times(self.cron or "", read_zone(self.timezone), instant, self.dst)
        return _steps(self.anchor.astimezone(UTC), timedelta(seconds=self.every), instant.astimezone(UTC))


def _steps(anchor: datetime, step: timedelta, after: datetime) -> Iterator[datetime]:
    # Whole microseconds throughout: a sum of floats would drift off the anchor.
    time = anchor if after < anchor else anchor + ((after - anchor) // step + 1) * step
    while True:
        yield time
        time += step
