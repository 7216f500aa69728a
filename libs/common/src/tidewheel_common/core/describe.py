"""A rule in words."""

from datetime import datetime

from cron_descriptor import FormatError, MissingFieldError, Options, WrongArgumentError, get_description

from tidewheel_common.core.cron import read_cron
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.recurrence import Recurrence

_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def describe(plan: Plan) -> str:
    """Return what a plan says, as one sentence in English."""
    zone = plan.recurrences[0].timezone
    rules = "; and ".join(_describe(each) for each in plan.recurrences)
    parts = [f"{rules[0].upper()}{rules[1:]}"]
    if any(each.cron is not None or each.rrule is not None for each in plan.recurrences):
        parts.append(f"by the clocks of {zone}")
    if plan.ends_at is not None:
        parts.append(f"until {_shown(plan.ends_at)}")
    if plan.calendars:
        parts.append("except on excluded days")
    if plan.jitter:
        parts.append(f"each run up to {plan.jitter:g} s later")
    return f"{', '.join(parts)}."


def _describe(recurrence: Recurrence) -> str:
    if recurrence.every is not None:
        return f"every {_duration(recurrence.every)} counted from {_shown(recurrence.anchor)}"
    if recurrence.rrule is not None:
        return f"by the rule {recurrence.rrule.upper()}"
    if (sun := recurrence.solar) is not None:
        return f"at every {sun.event.replace('_', ' ')} at {sun.latitude:g}° N, {sun.longitude:g}° E"
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    try:
        text = get_description(read_cron(recurrence.cron or ""), options)
    except (FormatError, MissingFieldError, WrongArgumentError):
        return f"whenever `{recurrence.cron}` matches"
    return f"{text[0].lower()}{text[1:]}"


def _duration(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"


def _shown(instant: datetime) -> str:
    return instant.replace(microsecond=0).isoformat()
