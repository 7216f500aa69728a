"""Lists tasks: the one query that truly varies, so it is built, and never from text that a caller sent."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, to_json
from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, null, select

from tidewheel_common.core.fields import Instant
from tidewheel_common.core.lifecycle import State
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.expression import render
from tidewheel_common.store.tables import tasks
from tidewheel_gateway.records import TaskRecord


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul_character", "A NUL character stands in this text")
    return value


_Word = Annotated[str, Field(max_length=200), AfterValidator(_no_nul)]


class TaskQuery(BaseModel):
    """Which tasks are meant."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: list[State] = Field([], description="Any of these; give it several times.")
    queue: _Word | None = None
    handler: _Word | None = None
    tag: _Word | None = None
    error_type: _Word | None = Field(None, description="The type of the last error.")
    reason: _Word | None = Field(None, description="Why it ended other than by its handler's return.")
    schedule: UUID | None = Field(None, description="Only what this schedule fired.")
    created_after: Instant | None = Field(None, description="Created at or after this time.")
    created_before: Instant | None = Field(None, description="Created before this time.")

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what its tasks fulfil."""
        wanted = [
            tasks.c.state.in_([str(state) for state in self.state]) if self.state else None,
            tasks.c.queue == self.queue if self.queue is not None else None,
            tasks.c.handler == self.handler if self.handler is not None else None,
            tasks.c.tags.contains([self.tag]) if self.tag is not None else None,
            tasks.c.error_type == self.error_type if self.error_type is not None else None,
            tasks.c.reason == self.reason if self.reason is not None else None,
            tasks.c.schedule_id == self.schedule if self.schedule is not None else None,
            tasks.c.created_at >= self.created_after if self.created_after is not None else None,
            tasks.c.created_at < self.created_before if self.created_before is not None else None,
        ]
        return [condition for condition in wanted if condition is not None]


class TaskFilter(TaskQuery):
    """Which tasks are listed, and how many."""

    limit: int = Field(50, ge=1, le=200)
    cursor: _Word | None = Field(None, description="`next_cursor` of the page before, with the same filters.")

    def scope(self, tenant: UUID) -> bytes:
        """Return what a cursor is bound to: whose list it is, and of what."""
        return tenant.bytes + to_json(self.model_dump(exclude={"limit", "cursor"}))


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks, and whether more follow."""

    records: list[TaskRecord]
    more: bool


_BUILT = {
    # Sealed and large: a list does not carry them.
    "payload": literal(b""),
    "result": null(),
    "error": null(),
    "notify": null(),
    "backoff": cast(tasks.c.backoff, Text),
}

_COLUMNS = [
    _BUILT[field.name].label(field.name) if field.name in _BUILT else tasks.c[field.name]
    for field in fields(TaskRecord)
]


async def list_tasks(connection: Connection, tenant: UUID, wanted: TaskFilter, below: UUID | None) -> Page:
    """Read one page of a tenant's tasks, the newest first.

    Args:
        connection: where.
        tenant: whose.
        wanted: which, and how many.
        below: the last id of the page before.
    """
    statement = _filtered(tenant, wanted)
    if below is not None:
        statement = statement.where(tasks.c.id < below)
    rows = await connection.execute(render(statement.order_by(tasks.c.id.desc()).limit(wanted.limit + 1)))
    records = [TaskRecord(**{**row, "state": State(row["state"])}) for row in rows[: wanted.limit]]
    return Page(records, more=len(rows) > wanted.limit)


def _filtered(tenant: UUID, wanted: TaskFilter) -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).where(tasks.c.tenant_id == tenant, *wanted.conditions())


async def count_tasks(connection: Connection, tenant: UUID, wanted: TaskQuery) -> int:
    """Count a tenant's tasks."""
    statement = select(func.count()).select_from(tasks).where(tasks.c.tenant_id == tenant, *wanted.conditions())
    return int((await connection.execute(render(statement))).scalar_one())


async def next_tasks(
    connection: Connection, tenant: UUID, wanted: TaskQuery, *, behind: UUID | None, until: datetime, most: int
) -> list[UUID]:
    """Read ids of a tenant's tasks in their order, behind one of them, of those that were there at a moment."""
    statement = select(tasks.c.id).where(tasks.c.tenant_id == tenant, tasks.c.created_at <= until, *wanted.conditions())
    if behind is not None:
        statement = statement.where(tasks.c.id > behind)
    return list((await connection.execute(render(statement.order_by(tasks.c.id).limit(most)))).scalars())
