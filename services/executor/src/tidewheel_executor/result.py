"""What a handler returns, as the JSON that is kept of it."""

import json
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from tidewheel_common.core.outcome import Completed, Refused

RESULT_LIMIT = 1024 * 1024
"""Bytes of JSON."""

REPR_LIMIT = 2_000
"""Characters that are kept of a value that is not JSON."""


NOTHING = Completed(None)
"""What a handler that returns nothing ends in."""


def encode(value: object) -> Completed | Refused:
    """Encode what a handler returned.

    The work is done and must not be done again because of what it returned, so a value that is not JSON does not fail
    the task: `{"repr": …, "note": …}` is kept in its stead. Only a result that is too large is refused.
    """
    if value is None:
        return NOTHING
    try:
        text = _ENCODER.encode(value)
    except Exception:  # noqa: BLE001 -- the value's own methods may raise anything
        text = _ENCODER.encode(_stand_in(value))
    if len(text) > RESULT_LIMIT:
        return Refused(
            f"The handler returned {len(text):,} bytes of JSON; a result may have {RESULT_LIMIT:,}. "
            "Store it elsewhere and return where it is.",
            "ResultTooLarge",
        )
    return Completed(text.encode())


def _plain(value: Any) -> object:
    match value:
        case date() | time():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
        case Enum():
            return value.value
        case set() | frozenset():
            return list(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__json__"):
        return value.__json__()
    raise TypeError


def _stand_in(value: object) -> dict[str, str]:
    try:
        shown = repr(value)[:REPR_LIMIT]
    except Exception:  # noqa: BLE001 -- as above
        shown = f"<{type(value).__name__}>"
    return {"repr": shown, "note": f"The handler returned a {type(value).__name__}, which is not JSON."}


_ENCODER = json.JSONEncoder(default=_plain, allow_nan=False, separators=(",", ":"))
