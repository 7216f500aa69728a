"""The statements of `schedules.sql`, one typed function each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.errors import UniqueViolation
from tidewheel_common.store.rows import Row
from tidewheel_common.store.sql import load_statements
from tidewheel_gateway.records import FireRecord, ScheduleRecord

_STATEMENTS = load_statements("tidewheel_gateway", "schedules.sql")


async def schedule_moment(
    connection: Connection, tenant_id: UUID, name: str, *, now: datetime | None = None
) -> tuple[datetime, bool]:
    """Read the database's clock for a new schedule, and whether its name is taken already."""
    [row] = await _many(connection, "schedule_moment", {"tenant_id": tenant_id, "name": name, "now": now})
    return row["now"], row["taken"]


async def schedule_insert(connection: Connection, record: ScheduleRecord) -> bool:
    """Keep a new schedule; False when its name is taken."""
    return await _one(connection, "schedule_insert", asdict(record)) is not None


async def schedule_find(
    connection: Connection, tenant_id: UUID, schedule_id: UUID, *, now: datetime | None = None
) -> tuple[ScheduleRecord, datetime] | None:
    """Read a schedule of a tenant and the database's clock."""
    return _timed(await _one(connection, "schedule_find", {"tenant_id": tenant_id, "id": schedule_id, "now": now}))


async def schedule_lock(
    connection: Connection, tenant_id: UUID, schedule_id: UUID, *, now: datetime | None = None
) -> tuple[ScheduleRecord, datetime] | None:
    """Read a schedule and the database's clock, and keep the schedule as it is until the transaction ends."""
    return _timed(await _one(connection, "schedule_lock", {"tenant_id": tenant_id, "id": schedule_id, "now": now}))


async def schedules_list(
    connection: Connection,
    tenant_id: UUID,
    *,
    below: UUID | None,
    count: int,
    managed_by: str | None = None,
    name: str | None = None,
) -> list[ScheduleRecord]:
    """Read a tenant's schedules, or those of one file or one name, the newest first, from below an id."""
    parameters = {"tenant_id": tenant_id, "below": below, "count": count, "managed_by": managed_by, "name": name}
    rows = await _many(connection, "schedules_list", parameters)
    return [ScheduleRecord(**row) for row in rows]


async def schedule_update(connection: Connection, record: ScheduleRecord) -> bool:
    """Write a schedule that was read under a lock; False when its new name is taken."""
    try:
        return await _one(connection, "schedule_update", asdict(record)) is not None
    except UniqueViolation:
        return False


async def schedule_delete(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> bool:
    """Delete a schedule and its ledger; False when it is not there."""
    return await _one(connection, "schedule_delete", {"tenant_id": tenant_id, "id": schedule_id}) is not None


async def schedule_fire(
    connection: Connection,
    record: ScheduleRecord,
    entries: Sequence[tuple[datetime, UUID]],
    *,
    expires_after: float | None,
    reason: str,
    now: datetime | None = None,
) -> list[FireRecord]:
    """Fire a schedule that is held under a lock; return what was born, none for a time that has a task already.

    Args:
        connection: inside a transaction.
        record: the schedule.
        entries: nominal times, each with the id of its task.
        expires_after: seconds after which a task that has not started expires.
        reason: why, as a sentence for the ledger.
        now: instead of the database's clock.
    """
    parameters = {
        "id": record.id,
        "tenant_id": record.tenant_id,
        "nominals": [nominal for nominal, _ in entries],
        "task_ids": [task_id for _, task_id in entries],
        "expires_after": expires_after,
        "reason": reason,
        "now": now,
    }
    return [
        FireRecord(**row, outcome="fired", reason=reason, fired_at=None)
        for row in await _many(connection, "schedule_fire", parameters)
    ]


async def schedule_skip(
    connection: Connection, record: ScheduleRecord, nominal: datetime, *, reason: str, now: datetime
) -> bool:
    """Write down that a nominal time does not fire; False when something has become of it already."""
    parameters = {
        "id": record.id,
        "tenant_id": record.tenant_id,
        "nominal_at": nominal,
        "skipped_at": now,
        "reason": reason,
    }
    return await _one(connection, "schedule_skip", parameters) is not None


async def fires_list(
    connection: Connection, tenant_id: UUID, schedule_id: UUID, *, before: datetime | None, count: int
) -> list[FireRecord]:
    """Read a schedule's ledger, the latest nominal time first."""
    parameters = {"tenant_id": tenant_id, "id": schedule_id, "before": before, "count": count}
    return [FireRecord(**row) for row in await _many(connection, "fires_list", parameters)]


def _timed(row: Row | None) -> tuple[ScheduleRecord, datetime] | None:
    if row is None:
        return None
    return ScheduleRecord(**{name: value for name, value in row.items() if name != "now"}), row["now"]


async def _one(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
    return (await connection.execute(_STATEMENTS[name], parameters)).one_or_none()


async def _many(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
    return await connection.execute(_STATEMENTS[name], parameters)
