"""The statements of `operations.sql`, one typed function each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_gateway", "operations.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """A bulk operation to be kept; `filter` is JSON text."""

    id: UUID
    tenant_id: UUID
    action: str
    filter: str
    priority: int | None
    dry_run: bool
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A bulk operation that is worked on; `reached` is the last task that was looked at."""

    id: UUID
    tenant_id: UUID
    action: str
    filter: str
    priority: int | None
    reached: UUID | None
    created_at: datetime


async def operation_insert(connection: Connection, row: OperationRow, *, now: datetime | None = None) -> None:
    """Keep a bulk operation."""
    parameters = {name: getattr(row, name) for name in OperationRow.__slots__}
    await connection.execute(_STATEMENTS["operation_insert"], {**parameters, "now": now})


async def operation_find(connection: Connection, tenant_id: UUID, operation_id: UUID) -> dict[str, Any] | None:
    """Read a bulk operation of a tenant."""
    parameters = {"tenant_id": tenant_id, "id": operation_id}
    row = (await connection.execute(_STATEMENTS["operation_find"], parameters)).one_or_none()
    return None if row is None else dict(row)


async def operations_list(
    connection: Connection, tenant_id: UUID, *, below: UUID | None, count: int
) -> list[dict[str, Any]]:
    """Read a tenant's bulk operations, the newest first, from below an id."""
    parameters = {"tenant_id": tenant_id, "below": below, "count": count}
    rows = await connection.execute(_STATEMENTS["operations_list"], parameters)
    return [dict(row) for row in rows]


async def operation_hold(connection: Connection) -> Held | None:
    """Hold the oldest bulk operation that is not over, until the transaction ends."""
    row = (await connection.execute(_STATEMENTS["operation_hold"], {})).one_or_none()
    return None if row is None else Held(**row)


async def operation_advance(
    connection: Connection,
    operation_id: UUID,
    *,
    done: int,
    failed: int,
    reached: UUID | None,
    over: bool,
    now: datetime | None = None,
) -> None:
    """Note how far a bulk operation has come."""
    parameters = {"id": operation_id, "done": done, "failed": failed, "reached": reached, "over": over, "now": now}
    await connection.execute(_STATEMENTS["operation_advance"], parameters)


async def dead_letters(connection: Connection, tenant_id: UUID, *, passed: int, count: int) -> list[dict[str, Any]]:
    """Count a tenant's dead tasks by their handler, error and reason, the most frequent first, behind some groups."""
    parameters = {"tenant_id": tenant_id, "passed": passed, "count": count}
    rows = await connection.execute(_STATEMENTS["dead_letters"], parameters)
    return [dict(row) for row in rows]
