"""What an error says to the people who read it, and what it makes of an attempt."""

import math
import time
from datetime import datetime
from traceback import TracebackException
from types import TracebackType
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from celery.utils.time import maybe_make_aware

from tidewheel_common.core.outcome import Completed, Failed, Interrupted, Refused
from tidewheel_executor.claim import Claimed
from tidewheel_executor.standing import LONGEST_WAIT

SENTENCE_LIMIT = 2_000
TRACE_LIMIT = 14_000
"""Characters that are kept of an error's own text, and of the end of its traceback."""

TYPE_LIMIT = 200

REQUEUE_PAUSE = 1.0
"""Seconds before a task comes again that was rejected with `requeue=True`: it costs no failure, so it must not spin."""

_OUR_FRAMES = ("tidewheel_executor.run", "tidewheel_executor.limits", "celery.app.autoretry")


def explain(error: BaseException, claimed: Claimed) -> Completed | Failed | Refused | Interrupted:
    """Say what an attempt ended in whose handler raised, in Celery's terms.

    `Ignore` completes it without a result, `Reject` refuses it or gives it back; `Retry` and all else are failures.
    """
    if isinstance(error, Ignore):
        return Completed(None)
    if isinstance(error, Reject):
        return _rejected(error)
    if isinstance(error, Retry):
        cause = error.exc
        text = "The handler asked for a retry." if cause is None else describe(cause)
        return Failed(text, type_name(error if cause is None else cause), _delay(error.when, claimed))
    if isinstance(error, SoftTimeLimitExceeded):
        sentence = f"The handler was stopped after its timeout of {claimed.timeout:g} s."
        return Failed("\n\n".join(filter(None, (sentence, _trace(error)))), type_name(error))
    return Failed(describe(error), type_name(error))


def _rejected(error: Any) -> Refused | Interrupted:
    if error.requeue:
        return Interrupted(REQUEUE_PAUSE)
    return Refused(_short(str(error.reason or "The handler rejected the task.")), type_name(error))


def describe(error: BaseException) -> str:
    """Return an error's type and text in the first line, and its traceback below."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 -- an error's own __str__ may raise anything
        text = "(its text cannot be read)"
    first = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return "\n\n".join(filter(None, (_short(first), _trace(error))))


def type_name(error: BaseException) -> str:
    """Return the name of an error's type, as PostgreSQL can store it."""
    return type(error).__name__.encode("ascii", "replace").decode().replace("\0", "?")[:TYPE_LIMIT]


def _trace(error: BaseException) -> str:
    try:
        trace = TracebackException(type(error), error, _theirs(error.__traceback__), compact=True)
        text = "".join(trace.format())
    except Exception:  # noqa: BLE001 -- as above
        return ""
    if not trace.stack:
        return ""
    return text if len(text) <= TRACE_LIMIT else f"…\n{text[-TRACE_LIMIT:]}"


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """Skip the frames in which we call the handler."""
    if trace is None or trace.tb_frame.f_globals.get("__name__") not in _OUR_FRAMES:
        return trace
    return _theirs(trace.tb_next)


def _short(text: str) -> str:
    return text if len(text) <= SENTENCE_LIMIT else f"{text[:SENTENCE_LIMIT]}…"


def _delay(when: Any, claimed: Claimed) -> float | None:
    if when is None:
        return None
    if isinstance(when, datetime):
        # The database's clock: when the attempt started there, and how long ago that was here.
        aware = maybe_make_aware(when)
        when = (aware - claimed.started_at).total_seconds() - (time.monotonic() - claimed.started)
    return min(max(0.0, float(when)), LONGEST_WAIT) if math.isfinite(when) else None
