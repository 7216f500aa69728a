"""`POST /v1/tasks` and `POST /v1/tasks:batch`: what is answered with 201 is committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.submission import BatchSubmission, Candidate, read_candidate, untimely
from tidewheel_common.core.validation import validate
from tidewheel_common.process.failpoints import fp
from tidewheel_common.process.tracing import current_traceparent, span_from
from tidewheel_gateway import declare, queries, view
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.idempotency import REPLAYED, busy, check, read_key
from tidewheel_gateway.linked import Order, Placed
from tidewheel_gateway.links import Item, check_batch, check_single
from tidewheel_gateway.opening import open_task
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import invalid
from tidewheel_gateway.records import Accepted, KeyUse, Stored, Submission

router = declare.router("tasks", direct=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call that submits, and whose it is."""

    parts: Parts
    tenant: Tenant
    method: str
    path: str
    body: bytes
    document: Any
    key: str | None
    traceparent: str | None

    @property
    def use(self) -> KeyUse | None:
        if self.key is None:
            return None
        fingerprint = self.parts.fingerprints.of(self.method, self.path, self.body)
        return KeyUse(tenant_id=self.tenant, key=self.key, fingerprint=fingerprint)

    def checked(self, stored: Stored) -> Stored:
        """Return what the key stands for, if it came with this very request."""
        return check(stored, self.parts.fingerprints.match(stored.fingerprint, self.method, self.path, self.body))

    def untenable(self, candidate: Candidate, now: datetime, *, pointer: str = "") -> list[Fault]:
        """Return what is wrong with a submission now, and may not be at another time."""
        spec = candidate.spec
        return untimely(candidate, now, pointer=pointer) or self.parts.signatures.faults(
            spec.handler, spec.payload, pointer=pointer, follows=bool(spec.depends_on)
        )

    async def replay(self) -> Stored | None:
        """Return what the key stands for already."""
        stored = None if self.key is None else await self.parts.acceptor.find(self.tenant, self.key)
        return None if stored is None else self.checked(stored)

    async def accept_linked(self, items: Sequence[Item]) -> tuple[Placed, Stored | None]:
        """Commit what can be committed of items that depend on others; or return what the key stands for."""
        with span_from(self.traceparent, "tidewheel.accept", tasks=len(items)):
            traceparent = current_traceparent()
            row = self.parts.acceptor.row
            placed = await self.parts.acceptor.accept_linked(
                Order(
                    tenant=self.tenant,
                    items=items,
                    new_id=self.parts.new_id,
                    row=lambda task_id, candidate: row(self.tenant, task_id, candidate, traceparent),
                    key=self.use,
                    pointer="".format if self.path == "/v1/tasks" else "/tasks/{}".format,
                )
            )
        if isinstance(placed.outcome, Accepted):
            return placed, None
        stored = await self.replay()
        if stored is None and placed.outcome is not None:  # its time ended between the two looks
            raise busy()
        return placed, stored

    async def accept(self, candidates: list[Candidate | None]) -> tuple[Accepted | Stored, tuple[UUID | None, ...]]:
        """Commit the candidates under new ids; None keeps the place of an item that was refused."""
        ids = tuple(None if candidate is None else self.parts.new_id() for candidate in candidates)
        with span_from(self.traceparent, "tidewheel.accept", tasks=len(ids)):
            traceparent = current_traceparent()
            row = self.parts.acceptor.row
            rows = tuple(
                row(self.tenant, task_id, candidate, traceparent)
                for task_id, candidate in zip(ids, candidates, strict=True)
                if task_id is not None and candidate is not None
            )
            outcome = await self.parts.acceptor.accept(Submission(rows=rows, key=self.use, places=ids))
        fp("gateway.before_answer")
        return (outcome if isinstance(outcome, Accepted) else self.checked(outcome)), ids


async def _read_call(request: Request) -> _Call:
    parts, tenant = parts_of(request), tenant_of(request)
    parts.allowance.admit(tenant)  # before a body is read
    key = read_key(request.headers)
    body, document = await read_json(request)
    return _Call(
        parts=parts,
        tenant=tenant,
        method=request.method,
        path=request.scope["path"],
        body=body,
        document=document,
        key=key,
        traceparent=request.headers.get("traceparent"),
    )


@router.post(
    "/v1/tasks",
    status_code=201,
    response_class=Response,
    openapi_extra=declare.takes("TaskSubmission", keyed=True),
    responses={
        201: {"model": view.Task, "description": "The task is accepted.", "headers": declare.located("task")},
        200: {"model": view.Task, "description": "The task that has the same `unique_key` already."},
        **declare.answers(409, 429, body=True),
    },
)
async def submit_task(request: Request) -> Response:
    """Accept one task.

    The answer is given after the commit: from then on the task ends in exactly one final state.
    """
    call = await _read_call(request)
    candidate = read_candidate(call.document, nul=may_hold_nul(call.body))
    if isinstance(candidate, list):
        raise invalid(candidate)
    faults = check_single(candidate) or call.untenable(candidate, call.parts.clock())
    if candidate.linked and not faults:
        return await _submit_linked(call, candidate)
    if not faults:
        outcome, ids = await call.accept([candidate])
        if isinstance(outcome, Accepted):
            return _created(candidate, ids[0], outcome.at, replayed=False)
        stored: Stored | None = outcome
    else:
        stored = await call.replay()  # it was in time, and fitted its handler, when it first came
    if stored is None:
        raise invalid(faults)
    return _created(candidate, stored.task_ids[0], stored.accepted_at, replayed=True)


async def _submit_linked(call: _Call, candidate: Candidate) -> Response:
    placed, stored = await call.accept_linked([candidate])
    if stored is not None:
        return await _linked(call, candidate, stored.task_ids[0], stored.accepted_at, status=201, replayed=True)
    [item] = placed.items
    if isinstance(item, list) or not isinstance(placed.outcome, Accepted):
        raise invalid(item) if isinstance(item, list) else busy()
    status = 200 if placed.existing else 201
    return await _linked(call, candidate, placed.ids[0], placed.outcome.at, status=status, replayed=False)


async def _linked(
    call: _Call, candidate: Candidate, task_id: UUID | None, at: datetime, *, status: int, replayed: bool
) -> Response:
    """Answer with the task as it is: whether it was blocked depends on its parents, and these may have moved on."""
    identity = task_id or UUID(int=0)
    async with call.parts.engine.connect() as connection:
        record = await queries.task_find(connection, call.tenant, identity)
    if record is None:  # removed already
        return _created(candidate, identity, at, replayed=replayed)
    headers = {"Location": f"/v1/tasks/{identity}", **(REPLAYED if replayed else {})}
    body = view.task(record, open_task(call.parts.sealer, record))
    return Response(body, status_code=status, headers=headers, media_type=view.JSON)


def _created(candidate: Candidate, task_id: UUID | None, accepted_at: datetime, *, replayed: bool) -> Response:
    identity = task_id or UUID(int=0)
    headers = {"Location": f"/v1/tasks/{identity}", **(REPLAYED if replayed else {})}
    body = view.new_task(candidate, identity, accepted_at)
    return Response(body, status_code=201, headers=headers, media_type=view.JSON)


@router.post(
    "/v1/tasks:batch",
    status_code=201,
    response_class=Response,
    openapi_extra=declare.takes("BatchSubmission", keyed=True),
    responses={
        201: {"model": view.BatchResult, "description": "What became of each item, in the order of the request."},
        **declare.answers(409, 429, body=True),
    },
)
async def submit_tasks(request: Request) -> Response:
    """Accept up to 1,000 tasks. Each item stands alone: bad ones are refused, the good ones are committed together."""
    call = await _read_call(request)
    nul = may_hold_nul(call.body)
    # Texts are looked through item by item, so that a NUL in one does not refuse the others.
    batch = validate(BatchSubmission, call.document, nul=False)
    if isinstance(batch, list):
        raise invalid(batch)
    call.parts.allowance.charge(call.tenant, len(batch.tasks) - 1)
    items = [read_candidate(each, pointer=f"/tasks/{i}", nul=nul) for i, each in enumerate(batch.tasks)]
    judged = check_batch(_judge(call, items, call.parts.clock()))
    if any(isinstance(item, Candidate) and item.linked for item in items):
        return await _submit_linked_batch(call, items, judged)
    candidates = [None if isinstance(item, list) else item for item in judged]
    if any(candidate is not None for candidate in candidates):
        outcome, ids = await call.accept(candidates)
        if isinstance(outcome, Accepted):
            return _results(judged, ids, replayed=False)
        stored: Stored | None = outcome
    else:
        stored = await call.replay()
    if stored is None:
        return _results(judged, (None,) * len(judged), replayed=False)
    return _results(_judge(call, items, stored.accepted_at), stored.task_ids, replayed=True)


async def _submit_linked_batch(call: _Call, items: list[Item], judged: list[Item]) -> Response:
    placed, stored = await call.accept_linked(judged)
    if stored is not None:
        return _results(check_batch(_judge(call, items, stored.accepted_at)), stored.task_ids, replayed=True)
    return _results(placed.items, placed.ids, existing=placed.existing, replayed=False)


def _judge(call: _Call, items: list[Item], now: datetime) -> list[Item]:
    return [
        item if isinstance(item, list) else call.untenable(item, now, pointer=f"/tasks/{place}") or item
        for place, item in enumerate(items)
    ]


def _results(
    items: list[Item], ids: tuple[UUID | None, ...], *, existing: frozenset[int] = frozenset(), replayed: bool
) -> Response:
    results = [
        {"id": str(task_id), **({"existing": True} if place in existing else {})}
        if task_id is not None
        else {"error": _refusal(item, place)}
        for place, (item, task_id) in enumerate(zip(items, ids, strict=True))
    ]
    headers = REPLAYED if replayed else None
    return Response(to_json({"results": results}), status_code=201, headers=headers, media_type=view.JSON)


def _refusal(item: Item, place: int) -> dict[str, Any]:
    # Only a replay can meet an item that was refused for what changes with time, and looks right by now.
    detail = "Its times, its parents or its payload did not fit when it was submitted."
    late = Fault(code="untimely", pointer=f"/tasks/{place}", detail=detail)
    return invalid(item if isinstance(item, list) else [late]).as_json()
