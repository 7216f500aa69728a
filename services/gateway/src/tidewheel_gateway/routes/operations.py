"""What those who run the gateway ask it: whether it is alive, whether it is ready, and what it has counted."""

import asyncio
from typing import Final

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.process.metrics import CONTENT_TYPE
from tidewheel_common.store.errors import is_transient
from tidewheel_gateway import declare, view
from tidewheel_gateway.parts import Parts, parts_of
from tidewheel_gateway.store import schema_obstacle

router = declare.router("operations")

LOOK: Final = 2.0
"""Seconds that the database may take to answer before the gateway counts as not ready."""


class Verdict(BaseModel):
    """Whether it is so, and if not, why."""

    ok: bool
    reasons: list[str]


@router.get("/healthz", response_class=Response, responses={200: {"model": Verdict, "description": "Alive."}})
async def healthz(request: Request) -> Response:
    """Tell whether the process is alive: whether its background loops move."""
    return _verdict(parts_of(request).health.stuck())


@router.get(
    "/readyz",
    response_class=Response,
    responses={
        200: {"model": Verdict, "description": "Ready."},
        503: {"model": Verdict, "description": "Not ready."},
    },
)
async def readyz(request: Request) -> Response:
    """Tell whether calls can be served. Redis is not asked: without it tasks are accepted all the same."""
    parts = parts_of(request)
    reasons = parts.readiness.obstacles()
    obstacle = await _database_obstacle(parts)
    return _verdict(reasons if obstacle is None else [obstacle, *reasons])


async def _database_obstacle(parts: Parts) -> str | None:
    try:
        async with asyncio.timeout(LOOK):
            return await schema_obstacle(parts.engine)
    except Exception as error:
        if is_transient(error):
            return "The database cannot be reached."
        raise


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Return everything that is counted, as Prometheus reads it."""
    return Response(parts_of(request).metrics.exposition(), media_type=CONTENT_TYPE)


def _verdict(reasons: list[str]) -> Response:
    body = to_json(Verdict(ok=not reasons, reasons=reasons))
    return Response(body, status_code=503 if reasons else 200, media_type=view.JSON)
