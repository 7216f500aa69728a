"""What the attempts of a task have logged, also while they run."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_gateway import declare, queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.opening import open_said
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import not_found
from tidewheel_gateway.records import LogRecord

MOST_PIECES: Final = 20
"""Pieces of a log that one answer brings; a piece holds what an attempt has said in about a second."""

router = declare.router("tasks")


@router.get(
    "/v1/tasks/{task_id:uuid}/logs",
    response_class=Response,
    responses={200: {"model": view.LogPage, "description": "Lines, the oldest first."}, **declare.answers(404, 422)},
)
async def read_logs(
    request: Request,
    task_id: UUID,
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,9}-[0-9]{1,9}$", description="The `next_cursor` of the answer before."),
    ] = None,
) -> Response:
    """Read what the handlers of a task have logged; ask again with `next_cursor` to follow one that runs."""
    parts, tenant = parts_of(request), tenant_of(request)
    attempt, part = (int(number) for number in (after or "0-0").split("-"))
    async with parts.engine.connect() as connection:
        # The state first: what was logged before the end is there when the end is.
        state = await queries.task_state(connection, tenant, task_id)
        if state is None:
            raise not_found()
        found = await queries.task_logs(connection, tenant, task_id, after=(attempt, part), most=MOST_PIECES)
    following = f"{found[-1].attempt}-{found[-1].part}" if found else after
    lines = list(_lines(parts, tenant, task_id, found))
    return Response(to_json({"data": lines, "next_cursor": following, "state": state}), media_type=view.JSON)


def _lines(parts: Parts, tenant: Tenant, task_id: UUID, found: Sequence[LogRecord]) -> Iterator[view.Json]:
    for record in found:
        field = f"log {record.attempt} {record.part}"
        opened = open_said(parts.sealer, record.lines, tenant=tenant, task_id=task_id, field=field)
        if isinstance(opened, dict):
            opened = [{"at": None, "level": "ERROR", "logger": "tidewheel", "message": opened["unreadable"]}]
        for line in opened:
            yield {"attempt": record.attempt, **line}
