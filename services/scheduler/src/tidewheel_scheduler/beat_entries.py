"""Reads the `beat_schedule` of a Celery app: each entry as a schedule of ours, or a sentence that says why not.

Of an entry's `options` those are kept that mean something here: the queue, the priority, the time limit,
the seconds until it expires.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab, schedule, solar

from tidewheel_common.core.recurrence import LONGEST
from tidewheel_common.core.task import Priority

LONGEST_NAME = 200
UNLIMITED = 1000
"""Attempts of a task whose `max_retries` is None."""

_CELERYS_QUEUE = "celery"
_OUR_QUEUE = "default"
_WILDCARD = re.compile(r"\*(/\d+)?")
_HANDLER = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LIMITS = ("soft_time_limit", "time_limit")
_KEPT = frozenset({"queue", "priority", "expires", *_LIMITS})
_LOW_NUMBERS_FIRST = ("redis", "rediss", "sentinel", "valkey")
"""Transports on which 0 is the highest priority; on the others 9 is."""


class Unfit(Exception):
    """An entry that cannot become a schedule; the text is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatEntry:
    """An entry of a `beat_schedule`; `payload` and `rule` are JSON texts, `ignored` names options without a meaning."""

    name: str
    handler: str
    queue: str
    every: float | None
    cron: str | None
    rule: str
    timezone: str
    payload: str
    max_attempts: int
    priority: int
    timeout: float | None
    ignored: tuple[str, ...] = ()


def read_entries(app: Celery) -> tuple[list[BeatEntry], dict[str, str]]:
    """Return the entries of an app, and for each that does not fit the reason.

    The app's modules are imported: the names of positional arguments stand in the tasks themselves.
    """
    app.loader.import_default_modules()
    app.finalize()
    entries: list[BeatEntry] = []
    refused: dict[str, str] = {}
    for name, given in dict(app.conf.beat_schedule or {}).items():
        try:
            entries.append(_read(app, str(name), given))
        except Unfit as reason:
            refused[str(name)] = str(reason)
    return entries, refused


def _read(app: Celery, name: str, given: Mapping[str, Any]) -> BeatEntry:
    handler = str(given.get("task") or name)
    if len(name) > LONGEST_NAME or not name.isprintable() or not name:
        raise Unfit(f"Its name must have 1 to {LONGEST_NAME} printable characters.")
    if not _HANDLER.fullmatch(handler):
        raise Unfit("The name of its task has characters that a handler's name may not have.")
    every, cron, rule = _rule(given.get("schedule"))
    zone: Any = app.conf.timezone
    options = dict(given.get("options") or {})
    return BeatEntry(
        name=name,
        handler=handler,
        queue=_queue(app, handler, options),
        every=every,
        cron=cron,
        rule=json.dumps(rule | _expiry(options.get("expires"))),
        timezone=str(zone) if zone else "UTC",
        payload=_payload(app, handler, given.get("args") or (), given.get("kwargs") or {}),
        max_attempts=_attempts(app, handler),
        priority=_priority(app, options.get("priority")),
        timeout=_timeout(app.tasks.get(handler), options),
        ignored=_ignored(options),
    )


def _rule(given: object) -> tuple[float | None, str | None, dict[str, Any]]:
    """Return an interval, a cron expression, and what only the rule's JSON text can say."""
    match given:
        case bool():
            raise Unfit("Its schedule is no time.")
        case crontab():
            return None, _cron(given), {}
        case int() | float():
            return float(given), None, {}
        case timedelta():
            return given.total_seconds(), None, {}
        case schedule() if type(given) is schedule:
            interval: Any = given
            return interval.run_every.total_seconds(), None, {}
        case solar():
            return None, None, _solar(given)
        case _:
            kind = type(given).__name__
            raise Unfit(f"Schedules of the kind {kind!r} are not served; write a crontab, an interval or a solar.")


def _expiry(given: object) -> dict[str, Any]:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    return {"expires_after": float(seconds)} if isinstance(seconds, int | float) and 0 < seconds < LONGEST else {}


def _ignored(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options that mean nothing here, such as an `expires` that is a date and not a number of seconds."""
    dated = {"expires"} if options.get("expires") is not None and not _expiry(options["expires"]) else set()
    return tuple(sorted(name for name in (options.keys() - _KEPT) | dated if options[name] is not None))


def _solar(given: solar) -> dict[str, Any]:
    place: Any = given
    sun = {"event": place.event, "latitude": float(place.lat), "longitude": float(place.lon)}
    return {"specs": [{"solar": sun}]}


def _priority(app: Celery, given: object) -> int:
    """Return one of our three priorities for one of Celery's ten, which its transports count in opposite ways."""
    if not isinstance(given, int):
        return Priority.MEDIUM
    scheme = str(app.conf.broker_url or "").partition(":")[0].partition("+")[0]
    urgency = 9 - given if scheme in _LOW_NUMBERS_FIRST else given
    return Priority.HIGH if urgency > 6 else Priority.LOW if urgency < 3 else Priority.MEDIUM  # noqa: PLR2004 - of ten


def _timeout(task: Any, options: Mapping[str, Any]) -> float | None:
    """Return the tighter one of the two limits of an entry, or of its task where that is known."""
    given = [options.get(name) or getattr(task, name, None) for name in _LIMITS]
    return min((float(each) for each in given if isinstance(each, int | float) and 0 < each < LONGEST), default=None)


def _cron(given: crontab) -> str:
    parts: Any = given  # celery-types knows few of its attributes
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    # As it was written, too: a wildcard keeps to elapsed time at clock changes, a list does not.
    written = [getattr(parts, f"_orig_{name}") for name in names]
    whole = (range(60), range(24), range(1, 32), range(1, 13), range(7))
    expanded: list[set[int]] = [set(getattr(parts, name)) for name in names]
    fields = [_field(*each) for each in zip(written, expanded, whole, strict=True)]
    if fields[2].startswith("*") or fields[4].startswith("*"):
        return " ".join(fields)
    # Celery wants both days to match. So does cron, but only when one of the fields starts with an asterisk; one that
    # names its first day may be written so without changing what it means.
    if 1 in expanded[2]:
        fields[2] = f"*/31,{fields[2]}"
    elif 0 in expanded[4]:
        fields[4] = f"*/7,{fields[4]}"
    else:
        raise Unfit("It names days of the month and of the week at once; cron cannot say that both must match.")
    return " ".join(fields)


def _field(written: object, values: Iterable[int], whole: range) -> str:
    chosen = sorted(set(values))
    if chosen == list(whole):
        return "*"
    if isinstance(written, str) and _WILDCARD.fullmatch(written):
        return written
    return ",".join(str(value) for value in chosen)


def _queue(app: Celery, handler: str, options: Mapping[str, Any]) -> str:
    named = options.get("queue") or (app.amqp.router.lookup_route(handler) or {}).get("queue")
    queue = str(getattr(named, "name", named) or app.conf.task_default_queue)
    if queue == _CELERYS_QUEUE:
        return _OUR_QUEUE
    if not _QUEUE.fullmatch(queue):
        raise Unfit("The name of its queue has characters that ours may not have.")
    return queue


def _payload(app: Celery, handler: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    positional = tuple(args)
    if not isinstance(kwargs, Mapping):
        raise Unfit("Its kwargs are not a mapping.")
    named = dict(kwargs)
    if positional:
        if handler not in app.tasks:
            raise Unfit("It has positional arguments, and its task is not known here to name them; write kwargs.")
        try:
            bound = inspect.signature(app.tasks[handler].run).bind(*positional, **kwargs)
        except TypeError as error:
            raise Unfit(f"Its arguments do not fit its task: {error}.") from None
        if any(kind.kind is kind.VAR_POSITIONAL for kind in bound.signature.parameters.values()):
            raise Unfit("Its task takes any number of positional arguments; write kwargs.")
        named = {**{name: value for name, value in bound.arguments.items() if name not in kwargs}, **kwargs}
        named = {name: value for name, value in named.items() if _is_plain(bound.signature, name)}
    try:
        return json.dumps(named, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError):
        raise Unfit("Its arguments are not JSON.") from None


def _is_plain(signature: inspect.Signature, name: str) -> bool:
    parameter = signature.parameters.get(name)
    return parameter is None or parameter.kind is not parameter.VAR_KEYWORD


def _attempts(app: Celery, handler: str) -> int:
    if getattr(app.Task, "as_in_celery", False):
        return UNLIMITED  # what its task says in `retry()` decides, as for all that such an app submits
    retries = app.tasks[handler].max_retries if handler in app.tasks else 3
    return UNLIMITED if retries is None else min(int(retries) + 1, UNLIMITED)
