"""Calls that read tasks."""

import asyncio
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_gateway import declare, queries, queue_queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.explain import Explanation, Facts, explain
from tidewheel_gateway.listing import TaskFilter, list_tasks
from tidewheel_gateway.opening import open_error, open_said, open_task
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import not_found
from tidewheel_gateway.records import AttemptRecord

LONGEST_WAIT: Final = 60.0
"""Seconds that an answer may be held."""

_LOOK_AGAIN = 1.0  # seconds; a lost wake-up costs no more than this

router = declare.router("tasks")


@router.get(
    "/v1/tasks",
    response_class=Response,
    responses={200: {"model": view.TaskPage, "description": "One page."}, **declare.answers(400, 422)},
)
async def list_of_tasks(request: Request, wanted: Annotated[TaskFilter, Query()]) -> Response:
    """List tasks, the newest first. Payloads, results and errors come with the single task."""
    parts, tenant = parts_of(request), tenant_of(request)
    scope = wanted.scope(tenant)
    below = None if wanted.cursor is None else parts.cursors.read(wanted.cursor, scope)
    async with parts.engine.connect() as connection:
        page = await list_tasks(connection, tenant, wanted, below)
    following = parts.cursors.write(page.records[-1].id, scope) if page.more else None
    body = view.page([view.task_summary(record) for record in page.records], following)
    return Response(body, media_type=view.JSON)


@router.get(
    "/v1/tasks/{task_id:uuid}",
    response_class=Response,
    responses={200: {"model": view.Task, "description": "The task."}, **declare.answers(404, 422)},
)
async def get_task(
    request: Request,
    task_id: UUID,
    wait: Annotated[
        float,
        Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="Seconds to hold the answer until it is final."),
    ] = 0.0,
) -> Response:
    """Read a task with its payload, and its result or error."""
    parts, tenant = parts_of(request), tenant_of(request)
    if wait:
        await _wait_final(parts, tenant, task_id, wait)
    return await answer_task(parts, tenant, task_id)


async def answer_task(parts: Parts, tenant: Tenant, task_id: UUID, *, status: int = 200) -> Response:
    """Answer with a task.

    Raises:
        Problem: it is not there.
    """
    async with parts.engine.connect() as connection:
        record = await queries.task_find(connection, tenant, task_id)
    if record is None:
        raise not_found()
    return Response(view.task(record, open_task(parts.sealer, record)), status_code=status, media_type=view.JSON)


async def _wait_final(parts: Parts, tenant: Tenant, task_id: UUID, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with parts.finals.expect(task_id) as heard:
        while (left := deadline - loop.time()) > 0 and not parts.finals.closing:
            heard.clear()
            async with parts.engine.connect() as connection:
                state = await queries.task_state(connection, tenant, task_id)
            if state is None or state in FINAL:
                return
            try:
                await asyncio.wait_for(heard.wait(), min(left, _LOOK_AGAIN))
            except TimeoutError:
                continue


@router.get(
    "/v1/tasks/{task_id:uuid}/attempts",
    response_class=Response,
    responses={200: {"model": view.AttemptLog, "description": "The attempt log."}, **declare.answers(404)},
)
async def list_attempts(request: Request, task_id: UUID) -> Response:
    """Read how each attempt of a task went."""
    parts, tenant = parts_of(request), tenant_of(request)
    async with parts.engine.connect() as connection:
        if await queries.task_state(connection, tenant, task_id) is None:
            raise not_found()
        records = await queries.task_attempts(connection, tenant, task_id)
    log = [_attempt(parts, tenant, task_id, record) for record in records]
    return Response(to_json({"data": log}), media_type=view.JSON)


def _attempt(parts: Parts, tenant: Tenant, task_id: UUID, record: AttemptRecord) -> view.Json:
    error = open_error(parts.sealer, record, tenant=tenant, task_id=task_id)
    field = f"progress {record.attempt}"
    meta = open_said(parts.sealer, record.progress_meta, tenant=tenant, task_id=task_id, field=field)
    return view.attempt(record, error, meta)


@router.get(
    "/v1/tasks/{task_id:uuid}/explain",
    response_class=Response,
    responses={200: {"model": Explanation, "description": "Every gate on its way."}, **declare.answers(404)},
)
async def explain_task(request: Request, task_id: UUID) -> Response:
    """Say why a task is not running yet, or what became of it."""
    parts, tenant = parts_of(request), tenant_of(request)
    async with parts.engine.connect() as connection:
        task = await queries.task_find(connection, tenant, task_id)
        if task is None:
            raise not_found()
        serving = await queries.executors_serving(connection, task.handler, task.queue)
        executor = None if task.executor_id is None else await queries.executor_find(connection, task.executor_id)
        blocked = task.state is State.BLOCKED
        parents = await queue_queries.parents_open(connection, task_id) if blocked else ()
        valve = (await queue_queries.queues_valves(connection, task.queue)).get(task.queue)
        in_flight = 0 if valve is None else await queue_queries.queue_in_flight(connection, task.queue)
        ahead = await queue_queries.line_ahead(connection, task) if task.state is State.READY else 0
        holders: tuple[UUID, ...] = ()
        if task.concurrency_key is not None:
            most = (task.concurrency_limit or 1) + 1
            holders = await queue_queries.key_holders(connection, tenant, task.concurrency_key, most=most)
    explanation = explain(
        Facts(
            task=task,
            serving=serving,
            executor=executor,
            parents=parents,
            valve=valve,
            in_flight=in_flight,
            ahead=ahead,
            holders=holders,
        )
    )
    return Response(to_json(explanation), media_type=view.JSON)
