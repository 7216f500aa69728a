"""When a schedule takes its turns: one or several rules in one zone, with a start, an end, excluded days and jitter.

A nominal time is an instant that any of the rules names. An excluded one is still a nominal time: the schedule takes
its turn and writes down that it was skipped.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import takewhile
from uuid import UUID
from zoneinfo import ZoneInfo

from tidewheel_common.core.calendar import Calendar, excluded
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.recurrence import Recurrence
from tidewheel_common.core.walls import read_zone

MOST_DUE = 1000
"""How many due times of one schedule are looked at singly; older ones are summed up in one entry of the ledger."""

_LOOK_BACK = (
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=32),
    timedelta(days=367),
    timedelta.max,
)
_INSTANT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_FRACTIONS = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTimes:
    """Nominal times that have come, in order.

    Attributes:
        times: each of them, or the latest ones when there are too many.
        older: the first of all when some are left out, None when none is.
    """

    times: tuple[datetime, ...]
    older: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The nominal times of a schedule.

    Attributes:
        recurrences: its rules, all in one zone.
        starts_at: nothing is due before it; intervals are counted from it.
        ends_at: nothing is due after it.
        calendars: days on which it does not fire.
        jitter: the most seconds by which a task runs after its nominal time.
    """

    recurrences: tuple[Recurrence, ...]
    starts_at: datetime
    ends_at: datetime | None = None
    calendars: tuple[Calendar, ...] = ()
    jitter: float = 0.0

    def times_after(self, instant: datetime) -> Iterator[datetime]:
        """Return the nominal times that are strictly after an instant, in UTC, in order, each once."""
        after = max(instant, self.starts_at - _INSTANT)
        last: datetime | None = None
        for time in heapq.merge(*(recurrence.times_after(after) for recurrence in self.recurrences)):
            if self.ends_at is not None and time > self.ends_at:
                return
            if time != last:
                yield time
            last = time

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first nominal time that is strictly after an instant, None when that was the last.

        Raises:
            InvalidSchedule: it is beyond the calendar.
        """
        try:
            return next(self.times_after(instant), None)
        except OverflowError:
            raise InvalidSchedule(f"The next time after {instant.isoformat()} is beyond the calendar.") from None

    def due(self, first: datetime, now: datetime, *, most: int = MOST_DUE) -> DueTimes:
        """Return the nominal times from one that is known to be due up to now (included)."""
        times: deque[datetime] = deque(maxlen=most)
        # A short look back first: it holds few times even when the rule fires often and the downtime was long.
        for span in _LOOK_BACK:
            since = first if span > now - first else now - span
            times = deque(takewhile(lambda time: time <= now, self.times_after(since)), maxlen=most)
            if since == first or len(times) == most:
                break
        if len(times) == most:
            return DueTimes(times=tuple(times), older=first)
        return DueTimes(times=(first, *times), older=None)

    def excluded(self, nominal: datetime) -> str | None:
        """Return why a nominal time is excluded, as a sentence; None when it is not."""
        if not self.calendars:
            return None
        return excluded(self.calendars, nominal.astimezone(self._zone).date())

    def run_at(self, schedule_id: UUID, nominal: datetime) -> datetime:
        """Return when the task of a nominal time runs: always the same moment, and before the next nominal time."""
        if not self.jitter:
            return nominal
        following = self.next_after(nominal)
        most = self.jitter if following is None else min(self.jitter, (following - nominal).total_seconds())
        seed = schedule_id.bytes + nominal.astimezone(UTC).isoformat().encode()
        share = int.from_bytes(blake2b(seed, digest_size=8).digest()) / _FRACTIONS
        return nominal + min(timedelta(seconds=most * share), timedelta(seconds=most) - _INSTANT)

    def change_at(self, nominal: datetime) -> str | None:
        """Return what a clock change has to do with a nominal time, as a sentence; None when nothing."""
        zone = self._zone
        local = nominal.astimezone(zone)
        if local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset():
            turn = "second" if local.fold else "first"
            return f"The clocks show {local:%H:%M} twice on this day; this is the {turn} time."
        before = (nominal - _SECOND).astimezone(zone).utcoffset()
        if before == local.utcoffset() or not self._all_shifted(nominal):
            return None
        return f"The clocks skip the time that the rule names; it fires at the change, at {local:%H:%M}."

    @property
    def _zone(self) -> ZoneInfo:
        return read_zone(self.recurrences[0].timezone)

    def _all_shifted(self, nominal: datetime) -> bool:
        return all(each.is_shifted(nominal) for each in self.recurrences)
