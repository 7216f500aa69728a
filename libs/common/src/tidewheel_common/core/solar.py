"""Events of the sun at a place, as Celery's `solar` schedules have them, worked out by the same library."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import ephem

from tidewheel_common.core.errors import InvalidSchedule

EVENTS: Final = {
    "dawn_astronomical": ("next_rising", "-18", True),
    "dawn_nautical": ("next_rising", "-12", True),
    "dawn_civil": ("next_rising", "-6", True),
    "sunrise": ("next_rising", "-0:34", False),
    "solar_noon": ("next_transit", "0", False),
    "sunset": ("next_setting", "-0:34", False),
    "dusk_civil": ("next_setting", "-6", True),
    "dusk_nautical": ("next_setting", "-12", True),
    "dusk_astronomical": ("next_setting", "-18", True),
}
"""For each event what is looked for, the height of the horizon (degrees), and whether the sun's centre counts."""

_LONGEST_NIGHT = 366
"""Days without an event after which there is none."""

_APART = timedelta(hours=1)
"""Two events of one kind are always further apart."""

_FARTHEST = 90.0, 180.0
_DAY = timedelta(days=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solar:
    """An event at a place; degrees north and east."""

    event: str
    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            InvalidSchedule: there is no such event or place.
        """
        if self.event not in EVENTS:
            raise InvalidSchedule(f"{self.event!r} is no event of the sun; there are {', '.join(EVENTS)}.")
        if not (abs(self.latitude) <= _FARTHEST[0] and abs(self.longitude) <= _FARTHEST[1]):
            raise InvalidSchedule("The latitude must be from -90 to 90 degrees, the longitude from -180 to 180.")

    def times_after(self, instant: datetime) -> Iterator[datetime]:
        """Return the times of the event that are strictly after an instant, to the second, in UTC, in order.

        The library's answer depends a little on where its search begins. Here it always begins at the same moment of
        each day: an event has one time, whoever asks and when, or it would fire twice.
        """
        day = self._first_day(instant.astimezone(UTC))
        quiet = 0
        while quiet < _LONGEST_NIGHT:
            found = list(self._within(day))
            yield from (time for time in found if time > instant)
            quiet = 0 if found else quiet + 1
            day += _DAY

    def _first_day(self, instant: datetime) -> datetime:
        """Return when the day of an instant begins, at noon by the sun's mean time; for noon itself, at midnight."""
        shift = timedelta(hours=(0 if EVENTS[self.event][0] == "next_transit" else 12) - self.longitude / 15)
        return instant - (instant - _EPOCH - shift) % _DAY

    def _within(self, day: datetime) -> Iterator[datetime]:
        """Return the events of one day: none while the sun does not rise or set, two where it hardly does."""
        method, horizon, centre = EVENTS[self.event]
        observer = ephem.Observer()
        observer.lat, observer.lon = str(self.latitude), str(self.longitude)
        observer.elev, observer.pressure, observer.horizon = 0, 0, horizon
        options = {"use_center": True} if centre else {}
        start, sun = day, ephem.Sun()
        while start < day + _DAY:
            try:
                at = _instant(getattr(observer, method)(sun, start=ephem.Date(start), **options))
            except ephem.CircumpolarError:
                start = max(_instant(observer.next_antitransit(sun, start=ephem.Date(start))), start + _APART)
                continue
            if at < day + _DAY:
                yield at.replace(microsecond=0)
            start = at + _APART


def _instant(date: ephem.Date) -> datetime:
    at: datetime = date.datetime().replace(tzinfo=UTC)
    return at
