"""Cron expressions, read by cronsim: what they mean on a calendar without zones (also `L` and `#`).

A rule that leaves open what a clock change does to it gets the rules of Debian's cron (`man 8 cron`, "daylight saving
time"):

- A rule with a fixed minute and hour fires once for each time that it names. A time that the spring change skips
  fires at the change; a time that the autumn change repeats fires the first time.
- A rule whose minute or hour starts with `*` follows elapsed time: what is skipped does not fire, what is
  repeated fires again.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from cronsim import CronSim, CronSimError

from tidewheel_common.core.dst import Dst, Gap, Overlap
from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.walls import Walls, instants

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
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - cronsim reads walls


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
    return instants(cron_walls(plain), zone, after.astimezone(UTC), *_complete(dst, plain))


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


def cron_walls(expression: str) -> Walls:
    """Return the times that an expression names on a calendar.

    Raises:
        InvalidSchedule: the expression cannot be read.
    """
    plain = read_cron(expression)

    def walls(after: datetime) -> Iterator[datetime]:
        found: Iterator[datetime] = CronSim(plain, after)
        return found

    return walls


def _complete(dst: Dst, plain: str) -> tuple[Gap, Overlap]:
    elapsed = any(field.startswith("*") for field in plain.split()[:2])
    return (
        dst.gap or (Gap.SKIP if elapsed else Gap.SHIFT),
        dst.overlap or (Overlap.BOTH if elapsed else Overlap.FIRST),
    )
