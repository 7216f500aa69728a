"""Opens what tasks and schedules carry; what does not open is told, and spoils nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json, to_json

from tidewheel_common.crypto.sealed import Sealer, Unsealable
from tidewheel_gateway.records import AttemptRecord, ScheduleRecord, TaskRecord
from tidewheel_gateway.told import told
from tidewheel_gateway.view import Opened

_SIGNED: Final = "notify.webhook"
"""The handler whose payload has what it signs with; nobody reads that again."""


def open_task(sealer: Sealer, record: TaskRecord) -> Opened:
    """Open a task's payload, result and error, and whom it tells."""
    sealed = {"payload": record.payload, "result": record.result, "error": record.error, "notify": record.notify}
    opened = _told(_open(sealer, sealed, tenant=record.tenant_id, task_id=record.id, schedule_id=record.schedule_id))
    payload = opened.texts["payload"]
    if record.handler != _SIGNED or payload is None:
        return opened
    shown = {name: value for name, value in from_json(payload).items() if name != "secrets"}
    return replace(opened, texts={**opened.texts, "payload": to_json(shown)})


def open_schedule(sealer: Sealer, record: ScheduleRecord) -> Opened:
    """Open a schedule's payload, and whom it tells."""
    sealed = {"payload": record.payload, "notify": record.notify}
    return _told(_open(sealer, sealed, tenant=record.tenant_id, task_id=None, schedule_id=record.id))


def open_error(sealer: Sealer, record: AttemptRecord, *, tenant: UUID, task_id: UUID) -> str | None:
    """Open the error of an attempt, or say why it does not open."""
    opened = _open(sealer, {"error": record.error}, tenant=tenant, task_id=task_id, schedule_id=None)
    text = opened.texts["error"]
    return opened.unreadable.get("error") if text is None else text.decode(errors="replace")


def open_said(sealer: Sealer, sealed: bytes | None, *, tenant: UUID, task_id: UUID, field: str) -> Any:
    """Open JSON that an attempt has said; when it does not open, `{"unreadable": why}` stands in its place."""
    opened = _open(sealer, {field: sealed}, tenant=tenant, task_id=task_id, schedule_id=None)
    text = opened.texts[field]
    return (
        {"unreadable": opened.unreadable[field]} if text is None and opened.unreadable else from_json(text or b"null")
    )


def _told(opened: Opened) -> Opened:
    """Show of the targets of notifications what callers may see."""
    note = opened.texts["notify"]
    shown = None if note is None else to_json(told(from_json(note)))
    return replace(opened, texts={**opened.texts, "notify": shown})


def _open(
    sealer: Sealer,
    sealed: Mapping[str, bytes | None],
    *,
    tenant: UUID,
    task_id: UUID | None,
    schedule_id: UUID | None,
) -> Opened:
    texts: dict[str, bytes | None] = {}
    unreadable: dict[str, str] = {}
    for field, value in sealed.items():
        texts[field] = None
        if value is None:
            continue
        try:
            texts[field] = sealer.open(value, tenant=tenant, task_id=task_id, schedule_id=schedule_id, field=field)
        except Unsealable as error:
            unreadable[field] = str(error)
    return Opened(texts=texts, unreadable=unreadable)
