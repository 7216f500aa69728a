"""When a recurring schedule fires: every so many seconds, or by a cron expression in an IANA zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A checked recurrence: exactly one of `every` (seconds, counted from `anchor`) and `cron` is set."""

    anchor: datetime
    every: float | None = None
    cron: str | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Check the recurrence.

        Raises:
            InvalidSchedule: it has both or neither rule, or one that no clock can follow.
        """
        if (self.every is None) == (self.cron is None):
            raise InvalidSchedule("A schedule needs either `every` or `cron`, and not both.")
        zone = _zone(self.timezone)
        if self.cron is not None:
            _parse(self.cron, self.anchor.astimezone(zone))

    def next_after(self, instant: datetime) -> datetime:
        """Return the first nominal time after an instant, in UTC."""
        if self.every is not None:
            return _next_step(self.anchor, self.every, instant)
        return next(_cron_times(self.cron or "", instant.astimezone(_zone(self.timezone))))

    def latest_until(self, first: datetime, instant: datetime) -> datetime:
        """Return the last nominal time up to an instant, given one that is not after it."""
        if self.every is not None:
            return max(first, _next_step(self.anchor, self.every, instant) - timedelta(seconds=self.every))
        zone = _zone(self.timezone)
        # One minute past the instant, backwards: a time at the instant itself counts.
        backwards = CronSim(
            _ALIASES.get(self.cron or "", self.cron or ""),
            (instant + timedelta(minutes=1)).astimezone(zone),
            reverse=True,
        )
        for time in backwards:
            utc = time.astimezone(UTC)
            if utc <= instant:
                return max(first, utc)
        return first


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSchedule(f"{name!r} is not an IANA time zone; write it like `Europe/Berlin`.") from None


def _parse(expression: str, start: datetime) -> CronSim:
    plain = _ALIASES.get(expression, expression)
    if len(plain.split()) != _FIELDS:
        raise InvalidSchedule(
            f"{expression!r} does not have five fields; write minute, hour, day of month, month and day of week."
        )
    try:
        cron = CronSim(plain, start)
        next(cron)
    except CronSimError as error:
        raise InvalidSchedule(f"{expression!r} is not a cron expression: {error}.") from None
    except StopIteration:
        raise InvalidSchedule(f"{expression!r} never matches a date.") from None
    return CronSim(plain, start)


def _cron_times(expression: str, start: datetime) -> Iterator[datetime]:
    # cronsim may return a time before a start that lies in the repeated hour of autumn (research: ux, 3.2).
    for time in _parse(expression, start):
        utc = time.astimezone(UTC)
        if utc > start:
            yield utc


def _next_step(anchor: datetime, every: float, instant: datetime) -> datetime:
    if instant < anchor:
        return anchor
    steps = int((instant - anchor).total_seconds() // every) + 1
    following = anchor + timedelta(seconds=steps * every)
    # Microsecond rounding may land on the instant itself.
    return following if following > instant else anchor + timedelta(seconds=(steps + 1) * every)
