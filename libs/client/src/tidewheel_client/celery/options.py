"""From the options of a Celery call to the fields of a Tidewheel task."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from celery import Celery, Task
from celery.utils.time import maybe_make_aware

from tidewheel_client.celery.refusals import Unmapped

UNLIMITED: Final = 1000
"""Attempts. A task's own `max_retries`, and what it says in `retry()`, decide on the executor."""

LONGEST: Final = 315_576_000.0
"""Seconds for which a result is kept that never expires in Celery: ten years."""

REPLACED: Final = "tidewheel_replaced"
"""Where an executor's app keeps what its own settings were."""

_CELERYS_QUEUE: Final = "celery"

_FIRST_IS_HIGH: Final = ("redis", "rediss", "sentinel", "valkey", "valkeys")
"""Brokers whose most urgent priority is 0; everywhere else it is 9."""

_HIGH, _MEDIUM, _LOW = "high", "medium", "low"

_HONOURED: Final = frozenset(
    ["countdown", "eta", "expires", "priority", "queue", "retries", "time_limit", "soft_time_limit", "task_id", "link"]
)

_NEEDLESS: Final = frozenset(
    # How a message is published and traced; here none is published.
    [
        "retry",
        "retry_policy",
        "serializer",
        "compression",
        "shadow",
        "add_to_parent",
        "trail",
        "delivery_mode",
        "mandatory",
        "immediate",
        "root_id",
        "parent_id",
        "group_id",
        "group_index",
        "reply_to",
        "result_cls",
        "router",
        "route_name",
        "stamped_headers",
    ]
)

_INSTEAD: Final[Mapping[str, str]] = {
    "link_error": "No task starts because another one failed; look at the dead letters, or catch the error.",
    "ignore_result": "A result is kept until the task's removal delay has passed (`result_expires`); return None.",
    "connection": "A durable task goes to the gateway, and to no other broker.",
    "producer": "A durable task goes to the gateway. To send a beat_schedule, run Tidewheel's scheduler on this app.",
    "exchange": "Queues have names, and no exchanges; use `queue`.",
    "routing_key": "Queues have names, and no routing keys; use `queue`.",
    "headers": "Pass what the task must know as arguments.",
}

_NEVER: Final = (None, False, ())


def refuse_unmapped(options: Mapping[str, Any]) -> None:
    """Refuse options that have no counterpart; those that say nothing are passed over.

    Raises:
        Unmapped: naming the first one.
    """
    for name, value in options.items():
        if name not in _HONOURED and name not in _NEEDLESS and value not in _NEVER and value != []:
            raise Unmapped(f"the option `{name}`", _INSTEAD.get(name, "Leave it out."))
    if options.get("serializer") not in {None, "json"}:
        raise Unmapped(f"the serializer {options['serializer']!r}", "Payloads are JSON; set task_serializer='json'.")


def fields_of(
    app: Celery, task: "Task[Any, Any] | None", name: str, options: Mapping[str, Any], *, follows: bool
) -> dict[str, Any]:
    """Return the fields of a task, but for its handler, payload and parents.

    Args:
        app: whose configuration counts.
        task: where it is known here.
        name: of the task.
        options: of the call.
        follows: whether it waits for other tasks.

    Raises:
        Unmapped: an option has no counterpart.
    """
    refuse_unmapped(options)
    defaults: dict[str, Any] = {} if task is None else task._get_exec_options()  # type: ignore[attr-defined]  # noqa: SLF001 -- Celery's own merge
    given = {name: value for name, value in {**defaults, **options}.items() if value is not None}
    refuse_unmapped({name: given[name] for name in given if name != "ignore_result"})
    if follows and (relative := _relative(given)):
        raise Unmapped(
            f"`{relative}` on a task that follows another one",
            "It would count from the submission, and not from the end of the one before; give an absolute time.",
        )
    fields = {
        "queue": _queue(app, name, given),
        "priority": _priority(app, given.get("priority")),
        "timeout": _timeout(app, given),
        "max_attempts": _attempts(task, int(given.get("retries", 0))),
        "removal_delay": _kept(app.conf.result_expires),
        **_start(app, given),
        **_end(app, given),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _setting(app: Celery, name: str) -> Any:
    """Return what the app itself says, also in an executor, which has replaced it."""
    return getattr(app.conf, name) if (own := app.conf.get(REPLACED)) is None else own[name]


def _timeout(app: Celery, given: Mapping[str, Any]) -> float | None:
    """Return the tighter one of the two limits; where that is the hard one, the handler is told all the same."""
    limits = (given.get(name) or _setting(app, f"task_{name}") for name in ("soft_time_limit", "time_limit"))
    return min((each for each in limits if each), default=None)


def _attempts(task: "Task[Any, Any] | None", retries: int) -> int:
    """Return how often a task may be tried that has used up so many retries already."""
    limit = getattr(task, "max_retries", None)
    return UNLIMITED if not retries or limit is None else max(1, limit - retries + 1)


def _relative(given: Mapping[str, Any]) -> str | None:
    if given.get("countdown"):
        return "countdown"
    return None if isinstance(given.get("expires"), datetime | None) else "expires"


def _start(app: Celery, given: Mapping[str, Any]) -> dict[str, Any]:
    if (eta := given.get("eta")) is not None:
        return {"run_at": _instant(app, eta)}
    return {"delay": float(given["countdown"])} if given.get("countdown") else {}


def _end(app: Celery, given: Mapping[str, Any]) -> dict[str, Any]:
    match given.get("expires"):
        case None:
            return {}
        case datetime() | str() as when:
            return {"expires_at": _instant(app, when)}
        case seconds:
            return {"expires_at": (app.now() + timedelta(seconds=float(seconds))).isoformat()}


def _instant(app: Celery, when: datetime | str) -> str:
    moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    zone: Any = app.timezone
    aware: datetime = maybe_make_aware(moment, zone)
    return aware.isoformat()


def _kept(expires: float | timedelta | None) -> float:
    if not expires:
        return LONGEST
    return min(LONGEST, expires.total_seconds() if isinstance(expires, timedelta) else float(expires))


def _queue(app: Celery, name: str, given: Mapping[str, Any]) -> str:
    named = given.get("queue") or (app.amqp.router.lookup_route(name) or {}).get("queue")
    queue = str(getattr(named, "name", named) or app.conf.task_default_queue)
    return "default" if queue == _CELERYS_QUEUE else queue


def _priority(app: Celery, number: int | None) -> str | None:
    if number is None:
        return None
    urgent = number if urlsplit(_setting(app, "broker_url") or "").scheme in _FIRST_IS_HIGH else 9 - number
    return _HIGH if urgent <= 2 else _MEDIUM if urgent <= 5 else _LOW  # noqa: PLR2004 -- thirds of 0 to 9
