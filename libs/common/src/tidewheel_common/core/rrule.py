"""RFC 5545 recurrence rules, read by python-dateutil: what they mean on a calendar without zones.

Taken is what can be held: whole days and their times. How often and until when stand in the schedule (`max_fires`,
`ends_at`), and what is more often than hourly is an interval or a cron expression.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dateutil.rrule import rrule, rrulestr

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.walls import HORIZON, Walls

_FREQUENCIES = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1), "MONTHLY": None, "YEARLY": None}
"""Each with its step, where all steps are of one length."""

_SHORT_STEPS = timedelta(days=10 * 366)
"""How far rules of short steps are walked for a match: the walk costs some 20 microseconds a step."""

_PARTS = frozenset(
    "FREQ INTERVAL WKST BYMONTH BYWEEKNO BYYEARDAY BYMONTHDAY BYDAY BYSETPOS BYHOUR BYMINUTE".split()  # noqa: SIM905 - as in the RFC
)
_OF_LONG_STEPS = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})
_ELSEWHERE = {"COUNT": "`max_fires`", "UNTIL": "`ends_at`", "DTSTART": "`starts_at`"}
_MOST_A_DAY = 24
_LONGEST_INTERVAL = 1000
_LAST = datetime(9999, 12, 31) - HORIZON  # noqa: DTZ001 - a wall


def rrule_walls(text: str, start: datetime) -> Walls:
    """Return the times that a rule names on a calendar.

    Args:
        text: such as `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0`.
        start: what the clocks show when the schedule starts. Intervals count from it, and a rule that leaves the time
            of day or the day open gets its own.

    Raises:
        InvalidSchedule: the rule cannot be read or cannot be held.
    """
    parts = _read(text)
    begin = start.replace(microsecond=0)
    rule = _parse(text, begin)
    step = _FREQUENCIES[parts["FREQ"]]
    horizon = HORIZON if step is None else _SHORT_STEPS

    def walls(after: datetime) -> Iterator[datetime]:
        since = begin
        if step is not None and after > begin:
            # The same phase, closer: dateutil would walk every step from the beginning.
            length = step * int(parts.get("INTERVAL", "1"))
            since = begin + max(0, (after - begin) // length - 1) * length
        return rule.replace(dtstart=since, until=min(after, _LAST) + horizon).xafter(after)

    return walls


def _read(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.upper().split(";")]
    parts = {name.strip(): value.strip() for name, _, value in pairs}
    if not all(parts.values()) or len(parts) != len(pairs):
        raise InvalidSchedule(f"{text!r} is not a recurrence rule; write it like `FREQ=MONTHLY;BYDAY=-1FR`.")
    for name in parts:
        if name in _ELSEWHERE:
            raise InvalidSchedule(f"`{name}` has a field of its own here: give {_ELSEWHERE[name]} instead.")
        if name not in _PARTS:
            raise InvalidSchedule(f"`{name}` cannot be held; a rule may have {', '.join(sorted(_PARTS))}.")
    _check(parts)
    return parts


def _check(parts: dict[str, str]) -> None:
    """Refuse what the schedule says elsewhere, and what would be walked for too long."""
    if parts.get("FREQ") not in _FREQUENCIES:
        raise InvalidSchedule("`FREQ` must be DAILY, WEEKLY, MONTHLY or YEARLY; for more often give `every` or `cron`.")
    if _FREQUENCIES[parts["FREQ"]] is not None and (wrong := sorted(_OF_LONG_STEPS & parts.keys())):
        raise InvalidSchedule(f"`{wrong[0]}` goes with FREQ=MONTHLY or YEARLY.")
    if not 1 <= _number(parts.get("INTERVAL", "1")) <= _LONGEST_INTERVAL:
        raise InvalidSchedule(f"`INTERVAL` must be a number from 1 to {_LONGEST_INTERVAL}.")
    times = [len(parts.get(name, "0").split(",")) for name in ("BYHOUR", "BYMINUTE")]
    if times[0] * times[1] > _MOST_A_DAY:
        raise InvalidSchedule(f"The rule names more than {_MOST_A_DAY} times a day; give `every` or `cron`.")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _parse(text: str, start: datetime) -> rrule:
    try:
        rule = rrulestr(text.upper(), dtstart=start)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise InvalidSchedule(f"{text!r} is not a recurrence rule: {error}.") from None
    if not isinstance(rule, rrule):
        raise InvalidSchedule(f"{text!r} is more than one recurrence rule; give each its own spec.")
    return rule
