"""The statements of `sync.sql`, one typed function each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Rows
from tidewheel_common.store.sql import load_statements
from tidewheel_scheduler.beat_entries import BeatEntry

_STATEMENTS = load_statements("tidewheel_scheduler", "sync.sql")

_REMOVAL_DELAY = 86_400.0
"""Seconds for which a task of an entry is kept after its end, as for a schedule that says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """A schedule that came from an app; the payload is sealed."""

    id: UUID
    name: str
    handler: str
    queue: str
    every: float | None
    cron: str | None
    rule: str
    timezone: str
    payload: bytes
    max_attempts: int
    priority: int
    timeout: float | None
    starts_at: datetime
    source: str
    paused_at: datetime | None

    @property
    def removed(self) -> bool:
        """Whether it is paused because the app had it no more."""
        return self.source == "celery_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where an entry is in time."""

    starts_at: datetime
    next_run_at: datetime | None
    paused_at: datetime | None


async def sync_lock(connection: Connection) -> None:
    """Wait for the turn to synchronise."""
    await _run(connection, "sync_lock", {})


async def tenant_ensure(
    connection: Connection, tenant_id: UUID, name: str, *, now: datetime | None
) -> tuple[UUID, datetime]:
    """Return a tenant by its name, made with this id where it is missing, and the clock."""
    row = (await _run(connection, "tenant_ensure", {"id": tenant_id, "name": name, "now": now})).one()
    return row.id, row.now


async def synced_find(connection: Connection, tenant_id: UUID) -> dict[str, Synced]:
    """Hold every schedule that came from an app, by name."""
    rows = await _run(connection, "synced_find", {"tenant_id": tenant_id})
    return {row["name"]: Synced(**row) for row in rows}


async def synced_insert(
    connection: Connection, entry: BeatEntry, *, tenant_id: UUID, schedule_id: UUID, payload: bytes, plot: Plot
) -> bool:
    """Keep a new entry; False when a schedule that somebody made has its name."""
    values = {
        **asdict(entry),
        "tenant_id": tenant_id,
        "id": schedule_id,
        "payload": payload,
        "next_run_at": plot.next_run_at,
        "now": plot.starts_at,
        "removal_delay": _REMOVAL_DELAY,
    }
    return (await _run(connection, "synced_insert", values)).one_or_none() is not None


async def synced_update(
    connection: Connection, entry: BeatEntry, *, schedule_id: UUID, payload: bytes, plot: Plot, now: datetime
) -> None:
    """Follow an entry that has changed, or that is back."""
    values = {**asdict(entry), **asdict(plot), "id": schedule_id, "payload": payload, "now": now}
    await _run(connection, "synced_update", values)


async def synced_pause(connection: Connection, names: Sequence[str], *, tenant_id: UUID, now: datetime) -> list[str]:
    """Pause the entries that are none of these; return their names."""
    values = {"tenant_id": tenant_id, "names": list(names), "now": now}
    return list((await _run(connection, "synced_pause", values)).scalars())


async def _run(connection: Connection, name: str, values: Mapping[str, object]) -> Rows:
    return await connection.execute(_STATEMENTS[name], values)
