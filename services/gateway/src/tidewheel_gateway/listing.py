"""Lists tasks: the one query that truly varies, so it is built, and never from text that a caller sent."""

from dataclasses import dataclass, fields
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, to_json
from sqlalchemy import Select, Text, cast, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tidewheel_common.core.fields import Instant
from tidewheel_common.core.lifecycle import State
from tidewheel_common.store.tables import tasks
from tidewheel_gateway.records import TaskRecord


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul_character", "A NUL character stands in this text")
    return value


_Word = Annotated[str, Field(max_length=200), AfterValidator(_no_nul)]


class TaskFilter(BaseModel):
    """Which tasks are listed, and how many."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: list[State] = Field([], description="Any of these; give it several times.")
    queue: _Word | None = None
    handler: _Word | None = None
    tag: _Word | None = None
    schedule: UUID | None = Field(None, description="Only what this schedule fired.")
    created_after: Instant | None = Field(None, description="Created at or after this time.")
    created_before: Instant | None = Field(None, description="Created before this time.")
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
    "backoff": cast(tasks.c.backoff, Text),
}

_COLUMNS = [
    _BUILT[field.name].label(field.name) if field.name in _BUILT else tasks.c[field.name]
    for field in fields(TaskRecord)
]


async def list_tasks(connection: AsyncConnection, tenant: UUID, wanted: TaskFilter, below: UUID | None) -> Page:
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
    rows = (await connection.execute(statement.order_by(tasks.c.id.desc()).limit(wanted.limit + 1))).mappings().all()
    records = [TaskRecord(**{**row, "state": State(row["state"])}) for row in rows[: wanted.limit]]
    return Page(records, more=len(rows) > wanted.limit)


def _filtered(tenant: UUID, wanted: TaskFilter) -> Select[tuple[object, ...]]:
    statement = select(*_COLUMNS).where(tasks.c.tenant_id == tenant)
    conditions = [
        tasks.c.state.in_([str(state) for state in wanted.state]) if wanted.state else None,
        tasks.c.queue == wanted.queue if wanted.queue is not None else None,
        tasks.c.handler == wanted.handler if wanted.handler is not None else None,
        tasks.c.tags.contains([wanted.tag]) if wanted.tag is not None else None,
        tasks.c.schedule_id == wanted.schedule if wanted.schedule is not None else None,
        tasks.c.created_at >= wanted.created_after if wanted.created_after is not None else None,
        tasks.c.created_at < wanted.created_before if wanted.created_before is not None else None,
    ]
    return statement.where(*(condition for condition in conditions if condition is not None))
