"""Cron expressions in an IANA zone, as instants.

cronsim knows what an expression means on a calendar; how the calendar's times become instants is decided here, by the
rules of Debian's cron (`man 8 cron`, "daylight saving time"):

- A rule with a fixed minute and hour fires once for each time that it names. A time that the spring change skips
  fires at the change; a time that the autumn change repeats fires the first time.
- A rule whose minute or hour starts with `*` follows the clock on the wall: what is skipped does not fire, what is
  repeated fires again.

cronsim's own handling of zones is not used: it may return a time before its start in the repeated hour, and it misses
times after a change that is not a whole hour (Australia/Lord_Howe).
"""

import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from tidewheel_common.core.errors import InvalidSchedule

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = 5
_STEPS_OF_ONE = re.compile(r"\b(\w+)-\1/[1-9]\d*\b")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


_Segment = Generator[datetime, None, datetime | None]
"""Instants under one offset; returns the change that ended it."""


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name.

    Raises:
        InvalidSchedule: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSchedule(f"{name!r} is not an IANA time zone; write it like `Europe/Berlin`.") from None


def cron_times(expression: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """Return the instants after a given one at which an expression matches, in UTC, in order.

    They end where there is no match within 50 years.

    Raises:
        InvalidSchedule: the expression cannot be read.
    """
    # cronsim reads `7-7/2` as `7/2`, from 7 to the end.
    plain = _STEPS_OF_ONE.sub(r"\1", _ALIASES.get(expression.strip().lower(), expression))
    if len(plain.split()) != _FIELDS:
        raise InvalidSchedule(
            f"{expression!r} does not have five fields; write minute, hour, day of month, month and day of week."
        )
    try:
        CronSim(plain, after.replace(tzinfo=None))
    except CronSimError as error:
        raise InvalidSchedule(f"{expression!r} is not a cron expression: {error}.") from None
    follows_the_wall = any(field.startswith("*") for field in plain.split()[:2])
    return (_matching_walls if follows_the_wall else _once_each)(plain, zone, after.astimezone(UTC))


def _once_each(plain: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    last = after
    for wall in CronSim(plain, _wall(after, zone)):
        instant = _first_instant(wall, zone)
        # Not after the last one: the start lies in the repeated hour, or the change swallowed two times at once.
        if instant > last:
            yield instant
            last = instant


def _matching_walls(plain: str, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    since: datetime | None = after
    wall = _wall(after, zone)
    while since is not None:
        since = yield from _until_change(plain, zone, since, wall)
        if since is not None:
            wall = _wall(since, zone) - _SECOND  # the change itself may match


def _until_change(plain: str, zone: tzinfo, since: datetime, wall: datetime) -> _Segment:
    """Yield the matches up to the zone's next change of offset, and return the change; None when there is no match."""
    offset = _offset(since, zone)
    for candidate in CronSim(plain, wall):
        instant = (candidate - offset).replace(tzinfo=UTC)
        if change := _first_change(zone, since, instant):
            return change
        yield instant
        since = instant
    return None


def _first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first instant at which clocks show the time, or the change that skips it."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    # In a gap the first reading uses the offset before the change, and the second the one after it.
    return _first_change(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant) or instant


def _first_change(zone: tzinfo, since: datetime, until: datetime) -> datetime | None:
    """Return the first instant in (since, until] whose offset is not that of `since`, to the second."""
    offset = _offset(since, zone)
    low = since
    while low < until:
        high = min(low + _DAY, until)
        if _offset(high, zone) != offset:
            return _bisect(zone, low, high)
        low = high
    return None


def _bisect(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    offset = _offset(low, zone)
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
