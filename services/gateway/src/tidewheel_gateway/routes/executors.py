"""`GET /v1/executors`: who is alive, and what they serve."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_gateway import declare, queries, view
from tidewheel_gateway.parts import parts_of

router = declare.router("executors")


class Executor(BaseModel):
    """A live executor; it belongs to the installation and serves all tenants."""

    id: UUID
    hostname: str
    pid: int
    queues: list[str] = Field(description="The queues that it serves; `*` stands for all.")
    handlers: list[str]
    running: int = Field(description="How many tasks it holds, of all tenants.")
    started_at: datetime
    heartbeat_at: datetime


class ExecutorList(BaseModel):
    """Every executor that was heard of in the last seconds."""

    data: list[Executor]


@router.get(
    "/v1/executors",
    response_class=Response,
    responses={200: {"model": ExecutorList, "description": "The executors, the oldest first."}, **declare.answers()},
)
async def list_executors(request: Request) -> Response:
    """List the live executors with the queues and handlers that they serve."""
    async with parts_of(request).engine.connect() as connection:
        found = await queries.executors_list(connection)
    return Response(to_json({"data": found}), media_type=view.JSON)
