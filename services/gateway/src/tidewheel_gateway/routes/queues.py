"""`/v1/queues`: how much waits in each queue, and what keeps it back: pauses, rates, limits."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Instant, Strict
from tidewheel_common.core.validation import validate
from tidewheel_common.core.valve import Valve
from tidewheel_common.store.engine import Connection
from tidewheel_common.streams.keys import VALVES
from tidewheel_gateway import declare, queries, queue_queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.bootstrap import TENANT as OPERATOR
from tidewheel_gateway.parts import parts_of, tenant_of
from tidewheel_gateway.problems import Problem, invalid
from tidewheel_gateway.queue_queries import QueueDepth

router = declare.router("queues")


class _QueueName(Convertor[str]):
    """A queue's name in an address; what cannot be one leads nowhere, and `x:pause` is not the queue of that name."""

    regex = r"[A-Za-z0-9_.-]{1,64}(?!\n)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("queue", _QueueName())


class QueuePause(Strict):
    """A pause; without `until` it lasts until the queue is resumed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": "2026-12-01T09:00:00+01:00"}, {}]})

    until: Instant | None = None


class QueueLimits(Strict):
    """What a queue may send; null lifts a limit, and what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rate": 50, "concurrency": 10}]})

    rate: Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)] | None = Field(
        None, description="Tasks a second; at most one second's worth is saved up."
    )
    concurrency: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        None, description="Tasks that may be queued or running at once."
    )


class QueueSettings(BaseModel):
    """What keeps a queue back. Queues are shared by all tenants."""

    name: str
    paused: bool
    paused_at: datetime | None
    paused_until: datetime | None
    rate: float | None
    concurrency: int | None


class Queue(QueueSettings):
    """A queue with the caller's tasks in it."""

    ready: int
    waiting: int
    queued: int
    running: int
    oldest_seconds: float | None = Field(description="For how long its oldest ready task has been ready.")


class QueueList(BaseModel):
    """Every queue that has tasks of the caller, or settings."""

    data: list[Queue]


@router.get(
    "/v1/queues",
    response_class=Response,
    responses={200: {"model": QueueList, "description": "The queues, by name."}, **declare.answers()},
)
async def list_queues(request: Request) -> Response:
    """List the queues with their depths, the age of their oldest ready task, and what keeps them back."""
    parts, tenant = parts_of(request), tenant_of(request)
    async with parts.engine.connect() as connection:
        depths = await queue_queries.queues_depths(connection, tenant)
        valves = await queue_queries.queues_valves(connection)
    names = sorted({depth.queue for depth in depths} | valves.keys())
    now = depths[0].now if depths else parts.clock()
    data = [_shown(valves.get(name, Valve(name=name)), now, [d for d in depths if d.queue == name]) for name in names]
    return Response(to_json({"data": data}), media_type=view.JSON)


@router.post(
    "/v1/queues/{name:queue}:pause",
    response_class=Response,
    openapi_extra=declare.takes("QueuePause"),
    responses={200: {"model": QueueSettings, "description": "It is paused."}, **declare.answers(403, 404, body=True)},
)
async def pause_queue(request: Request, name: str) -> Response:
    """Pause a queue for all tenants: nothing of it starts, and what is queued is taken back. What runs goes on."""
    body, document = await read_json(request)
    pause = validate(QueuePause, document, nul=may_hold_nul(body))
    if isinstance(pause, list):
        raise invalid(pause)
    if pause.until is not None and pause.until <= parts_of(request).clock():
        detail = "The pause would be over already; take a time that is still to come."
        raise invalid([Fault(code="past_time", pointer="/until", detail=detail)])
    return await _change(request, name, {"pause": True, "paused_until": pause.until})


@router.post(
    "/v1/queues/{name:queue}:resume",
    response_class=Response,
    responses={200: {"model": QueueSettings, "description": "It is not paused."}, **declare.answers(403, 404)},
)
async def resume_queue(request: Request, name: str) -> Response:
    """Let a queue go on."""
    return await _change(request, name, {"pause": False})


@router.patch(
    "/v1/queues/{name:queue}",
    response_class=Response,
    openapi_extra=declare.takes("QueueLimits"),
    responses={
        200: {"model": QueueSettings, "description": "What is set now."},
        **declare.answers(403, 404, body=True),
    },
)
async def limit_queue(request: Request, name: str) -> Response:
    """Limit how many tasks of a queue start a second, and how many are queued or running at once."""
    body, document = await read_json(request)
    limits = validate(QueueLimits, document, nul=may_hold_nul(body))
    if isinstance(limits, list):
        raise invalid(limits)
    return await _change(request, name, {field: getattr(limits, field) for field in limits.model_fields_set})


async def _change(request: Request, name: str, changes: Mapping[str, Any]) -> Response:
    parts = parts_of(request)
    async with parts.engine.connect() as connection:
        await _require_operator(connection, tenant_of(request))
        valve, now = await queue_queries.queue_set(connection, name, changes)
    parts.wakeups.dispatcher.wake(VALVES)
    return Response(to_json(_settings(valve, now)), media_type=view.JSON)


async def _require_operator(connection: Connection, tenant: Tenant) -> None:
    if not await queries.tenant_is(connection, tenant, OPERATOR):
        detail = f"Queues are shared by all tenants; use a key of the tenant `{OPERATOR}` to pause or limit one."
        raise Problem("operators_only", detail)


def _settings(valve: Valve, now: datetime) -> dict[str, Any]:
    paused = valve.paused(now)
    return {
        "name": valve.name,
        "paused": paused,
        "paused_at": valve.paused_at if paused else None,
        "paused_until": valve.paused_until if paused else None,
        "rate": valve.rate,
        "concurrency": valve.concurrency,
    }


def _shown(valve: Valve, now: datetime, depths: Iterable[QueueDepth]) -> dict[str, Any]:
    counts = {depth.state: depth for depth in depths}
    oldest = counts["ready"].since if "ready" in counts else None
    return {
        **_settings(valve, now),
        **{state: counts[state].tasks if state in counts else 0 for state in ("ready", "waiting", "queued", "running")},
        "oldest_seconds": None if oldest is None else max(0.0, (now - oldest).total_seconds()),
    }
