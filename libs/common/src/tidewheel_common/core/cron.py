"""Cron expressions in an IANA zone, as instants.

cronsim knows what an expression means on a calendar (also `L` and `#`); how the calendar's times become instants is
decided here. A time that a spring change skips, and one that an autumn change repeats, follow the policy of `dst.py`;
a rule that leaves it open gets the rules of Debian's cron (`man 8 cron`, "daylight saving time"):

- A rule with a fixed minute and hour fires once for each time that it names. A time that the spring change skips
  fires at the change; a time that the autumn change repeats fires the first time.
- A rule whose minute or hour starts with `*` follows elapsed time: what is skipped does not fire, what is
  repeated fires again.

cronsim's own handling of zones is not used: it may return a time before its start in the repeated hour, and it misses
times after a change that is not a whole hour (Australia/Lord_Howe).
"""

import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from tidewheel_common.core.dst import Dst, Gap, Overlap
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
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - cronsim reads walls
_HORIZON = timedelta(days=50 * 366)
"""How far to look for a match. A rule may name only times that every spring change skips."""
_END = datetime.max.replace(tzinfo=UTC)
_LAST_START = _END - _HORIZON


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


def cron_times(expression: str, zone: tzinfo, after: datetime, dst: Dst) -> Iterator[datetime]:
    """Return the instants after a given one at which an expression matches, in UTC, in order.

    They end where there is no match within 50 years.

    Args:
        expression: five fields or an alias.
        zone: whose clocks it is read by.
        after: times are strictly after it.
        dst: what becomes of skipped and repeated times.

    Raises:
        InvalidSchedule: the expression cannot be read.
    """
    plain = read_cron(expression)
    return _times(plain, zone, after.astimezone(UTC), _complete(dst, plain))


def read_cron(expression: str) -> str:
    """Return an expression as five plain fields.

    Raises:
        InvalidSchedule: it cannot be read.
    """
    # cronsim reads `7-7/2` as `7/2`, from 7 to the end.
    plain = _STEPS_OF_ONE.sub(r"\1", _ALIASES.get(expression.strip().lower(), expression))
    if len(plain.split()) != _FIELDS:
        raise InvalidSchedule(
            f"{expression!r} does not have five fields; write minute, hour, day of month, month and day of week."
        )
    try:
        CronSim(plain, _SOME_DAY)
    except CronSimError as error:
        raise InvalidSchedule(f"{expression!r} is not a cron expression: {error}.") from None
    return plain


def is_shifted(expression: str, zone: tzinfo, instant: datetime) -> bool:
    """Tell whether a time of an expression is a clock change that stands for times that it skipped."""
    wall = _wall(instant, zone)
    return next(CronSim(read_cron(expression), wall - _SECOND)) != wall


def _complete(dst: Dst, plain: str) -> tuple[Gap, Overlap]:
    elapsed = any(field.startswith("*") for field in plain.split()[:2])
    return (
        dst.gap or (Gap.SKIP if elapsed else Gap.SHIFT),
        dst.overlap or (Overlap.BOTH if elapsed else Overlap.FIRST),
    )


def _times(plain: str, zone: tzinfo, after: datetime, policy: tuple[Gap, Overlap]) -> Iterator[datetime]:
    gap, overlap = policy
    change, matched = yield from _until_change(plain, zone, after, _wall(after, zone), overlap)
    horizon = after + _HORIZON if after < _LAST_START else _END
    while change is not None and (matched or change < horizon):
        if matched:
            horizon = change + _HORIZON if change < _LAST_START else _END
        first, wall = _wall(change - _SECOND, zone) + _SECOND, _wall(change, zone)
        shifted = gap is Gap.SHIFT and next(CronSim(plain, first - _SECOND), wall) < wall
        if shifted:
            yield change
        # Unless it has fired already, the change itself may match.
        start = wall if shifted else wall - _SECOND
        change, matched = yield from _until_change(plain, zone, change, start, overlap)
        matched |= shifted


def _until_change(plain: str, zone: tzinfo, since: datetime, wall: datetime, overlap: Overlap) -> _Segment:
    """Yield the chosen matches up to the zone's next change of offset, and return the change; None without a match."""
    offset = _offset(since, zone)
    matched = False
    for candidate in CronSim(plain, wall):
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
