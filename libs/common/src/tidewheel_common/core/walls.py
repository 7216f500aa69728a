"""Times that a rule names on the clocks of a zone, as instants: the walk from one clock change to the next.

What matches is asked of a calendar without zones (cronsim, python-dateutil); how its times become instants is decided
here. A time that a spring change skips, and one that an autumn change repeats, follow the policy of `dst.py`.

cronsim's own handling of zones is not used: it may return a time before its start in the repeated hour, and it misses
times after a change that is not a whole hour (Australia/Lord_Howe).
"""

from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tidewheel_common.core.dst import Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule

Walls = Callable[[datetime], Iterator[datetime]]
"""Yields the times that a rule names strictly after one, in order, all of them without a zone."""

SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
HORIZON = timedelta(days=50 * 366)
"""How far to look for a match. A rule may name only times that every spring change skips."""
_END = datetime.max.replace(tzinfo=UTC)
_LAST_START = _END - HORIZON


_Segment = Generator[datetime, None, tuple[datetime | None, bool]]
"""Instants under one offset; returns the change that ended it, and whether there were any."""


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name.

    Raises:
        InvalidSchedule: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSchedule(f"{name!r} is not an IANA time zone; write it like `Europe/Berlin`.") from None


def instants(walls: Walls, zone: tzinfo, after: datetime, gap: Gap, overlap: Overlap) -> Iterator[datetime]:
    """Return the instants strictly after one (in UTC) at which a rule is due, in UTC, in order.

    They end where there is no match within 50 years.
    """
    change, matched = yield from _until_change(walls, zone, after, wall_of(after, zone), overlap)
    horizon = after + HORIZON if after < _LAST_START else _END
    while change is not None and (matched or change < horizon):
        if matched:
            horizon = change + HORIZON if change < _LAST_START else _END
        first, wall = wall_of(change - SECOND, zone) + SECOND, wall_of(change, zone)
        shifted = gap is Gap.SHIFT and next(walls(first - SECOND), wall) < wall
        if shifted:
            yield change
        # Unless it has fired already, the change itself may match.
        start = wall if shifted else wall - SECOND
        change, matched = yield from _until_change(walls, zone, change, start, overlap)
        matched |= shifted


def _until_change(walls: Walls, zone: tzinfo, since: datetime, wall: datetime, overlap: Overlap) -> _Segment:
    """Yield the chosen matches up to the zone's next change of offset, and return the change; None without a match."""
    offset = _offset(since, zone)
    matched = False
    for candidate in walls(wall):
        instant = (candidate - offset).replace(tzinfo=UTC)
        if change := _first_change(zone, since, instant):
            return change, matched
        if _chosen(instant, zone, overlap):
            yield instant
            matched = True
        since = instant
    return None, matched


def _chosen(instant: datetime, zone: tzinfo, overlap: Overlap) -> bool:
    local = instant.astimezone(zone)
    match overlap:
        case Overlap.FIRST:
            return local.fold == 0
        case Overlap.SECOND:
            return local.fold == 1 or local.replace(fold=1).utcoffset() == local.utcoffset()
        case Overlap.BOTH:
            return True


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
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def wall_of(instant: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks of a zone show at an instant."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
