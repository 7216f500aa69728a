"""From the sealed payload to the keyword arguments of a handler."""

import json
from typing import Any

from tidewheel_common.core.outcome import Refused
from tidewheel_common.crypto.sealed import Sealer, Unsealable
from tidewheel_executor.claim import Claimed
from tidewheel_executor.handlers import Handler


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


def open_payload(claimed: Claimed, handler: Handler, sealer: Sealer) -> dict[str, Any] | Refused:
    """Return a handler's keyword arguments, or why no attempt could ever have them."""
    try:
        text = sealer.open(
            claimed.payload,
            tenant=claimed.tenant_id,
            task_id=claimed.task_id,
            schedule_id=claimed.schedule_id,
            field="payload",
        )
    except Unsealable as reason:
        return Refused(str(reason), "Unsealable", unsealable=True)
    try:
        kwargs = json.loads(text.decode())
    except (ValueError, RecursionError):
        return Refused("The payload is not JSON.", "InvalidPayload")
    if not isinstance(kwargs, dict):
        return Refused("The payload is not a JSON object; its members are the handler's arguments.", "InvalidPayload")
    try:
        handler.check(**kwargs)
    except TypeError as reason:
        return Refused(f"The payload does not fit the arguments of {claimed.handler}: {reason}.", "InvalidPayload")
    return kwargs
