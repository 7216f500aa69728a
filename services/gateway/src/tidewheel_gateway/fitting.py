"""Whether a schedule's payload fits its handler: the one that was sent, or the one that is kept."""

from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.reference import check_references
from tidewheel_gateway.records import ScheduleRecord
from tidewheel_gateway.signatures import Signatures
from tidewheel_gateway.view import Opened

BEAT = "celery"
"""The source of schedules that come from an app's `beat_schedule`."""


def unfit(signatures: Signatures, handler: str, payload: dict[str, Any]) -> list[Fault]:
    """Return what is wrong with a payload that a caller has sent; tasks of schedules have no parents."""
    return check_references(payload, 0) or signatures.faults(handler, payload)


def unfit_kept(signatures: Signatures, record: ScheduleRecord, opened: Opened) -> list[Fault]:
    """Return why the payload that is kept does not fit another handler; nothing when it does not open.

    Args:
        signatures: what is known of handlers.
        record: the schedule with its new handler.
        opened: what it carries.
    """
    text = opened.texts["payload"]
    if text is None or record.source == BEAT:  # values in Celery's own JSON are known only when it is read
        return []
    faults = signatures.faults(record.handler, from_json(text))
    return [replace(fault, pointer="/handler", detail=_kept(fault)) for fault in faults]


def _kept(fault: Fault) -> str:
    return f"The schedule's payload does not fit it; send another `payload` with it. At {fault.pointer}: {fault.detail}"
