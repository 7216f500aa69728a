"""`GET /v1/handlers`: what the executors of this installation can run."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_gateway import declare, view
from tidewheel_gateway.handler_queries import Published, handlers_list
from tidewheel_gateway.parts import parts_of

router = declare.router("handlers")


class Handler(BaseModel):
    """A handler as its executors publish it; it belongs to the installation and serves all tenants."""

    name: str
    queue: str | None = Field(description="The queue that the handler declares for itself.")
    description: str = Field(description="Its docstring.")
    arguments: dict[str, Any] = Field(description="The JSON Schema of its payload.")
    variants: list[dict[str, Any]] = Field(
        description="The schemas of other variants that are or were just served; a payload may fit any of them."
    )
    executors: list[UUID] = Field(description="The live executors that have it.")
    first_seen_at: datetime
    last_seen_at: datetime = Field(description="When an executor last said that it has it, to a minute or so.")


class HandlerList(BaseModel):
    """Every handler that executors have published."""

    data: list[Handler]


@router.get(
    "/v1/handlers",
    response_class=Response,
    responses={200: {"model": HandlerList, "description": "The handlers, by name."}, **declare.answers()},
)
async def list_handlers(request: Request) -> Response:
    """List the handlers with their arguments, and who has them."""
    async with parts_of(request).engine.connect() as connection:
        published = await handlers_list(connection)
    data = [_shown(list(variants)) for _, variants in groupby(published, key=lambda each: each.name)]
    return Response(to_json({"data": data}), media_type=view.JSON)


def _shown(variants: Sequence[Published]) -> dict[str, Any]:
    newest, *others = variants
    return {
        "name": newest.name,
        "queue": newest.queue,
        "description": newest.description,
        "arguments": from_json(newest.arguments),
        "variants": [from_json(each.arguments) for each in others if each.arguments != newest.arguments],
        "executors": newest.executors,
        "first_seen_at": min(each.first_seen_at for each in variants),
        "last_seen_at": max(each.seen_at for each in variants),
    }
