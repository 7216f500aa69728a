"""From the sealed payload to the keyword arguments of a handler."""

import json
from collections.abc import Mapping
from typing import Any

from tidewheel_common.core.outcome import Refused
from tidewheel_common.core.reference import EVERY, PARENT, is_reference
from tidewheel_common.crypto.sealed import Sealer, Unsealable
from tidewheel_executor.claim import Claimed
from tidewheel_executor.handlers import Handler
from tidewheel_executor.queries import PARENT_BYTES


def open_parents(claimed: Claimed, sealer: Sealer) -> dict[str, Any] | Refused:
    """Return the results of a task's parents by their ids, or why no attempt could ever have them."""
    try:
        texts = {
            parent: None
            if sealed is None
            else sealer.open(sealed, tenant=claimed.tenant_id, task_id=parent, schedule_id=None, field="result")
            for parent, sealed in claimed.parents.items()
        }
    except Unsealable as reason:
        return Refused(f"The result of a parent: {reason}", "Unsealable", unsealable=True)
    return {str(parent): None if text is None else json.loads(text) for parent, text in texts.items()}


def put_parents(claimed: Claimed, kwargs: dict[str, Any], parents: Mapping[str, Any]) -> dict[str, Any] | Refused:
    """Put the results of parents where a payload asks for them.

    An argument that is `{"$parent": 0}` becomes the result of the first task that this one depends on, and
    `{"$parent": "*"}` the list of all results, in the order in which they were named.
    """
    given = dict(kwargs)
    for name, value in kwargs.items():
        if not is_reference(value):
            continue
        try:
            given[name] = _results(claimed, value[PARENT], parents)
        except (LookupError, TypeError):
            return Refused(
                f"The argument {name} asks for the result of a parent that has none: it did not complete, was removed, "
                f"or all results are more than {PARENT_BYTES:,} bytes together.",
                "ParentWithoutResult",
            )
    return given


def _results(claimed: Claimed, which: Any, parents: Mapping[str, Any]) -> Any:
    if which == EVERY:
        return [parents[str(parent)] for parent in claimed.order]
    return parents[str(claimed.order[which])]


def open_payload(claimed: Claimed, handler: Handler, sealer: Sealer) -> dict[str, Any] | Refused:
    """Return a handler's keyword arguments, or why no attempt could ever have them."""
    try:
        text = sealer.open(
            claimed.payload or b"",  # one that is gone belongs to a task that others have run meanwhile
            tenant=claimed.tenant_id,
            task_id=claimed.task_id,
            schedule_id=claimed.schedule_id,
            field="payload",
        )
    except Unsealable as reason:
        return Refused(str(reason), "Unsealable", unsealable=True)
    try:
        kwargs = handler.load(text.decode())
    except (ValueError, RecursionError):
        return Refused("The payload is not JSON.", "InvalidPayload")
    if not isinstance(kwargs, dict):
        return Refused("The payload is not a JSON object; its members are the handler's arguments.", "InvalidPayload")
    try:
        handler.check(**kwargs)
    except TypeError as reason:
        return Refused(f"The payload does not fit the arguments of {claimed.handler}: {reason}.", "InvalidPayload")
    return kwargs
