"""`/v1/notification-rules`: what a tenant wants to be told of, and by which way."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from tidewheel_common.core.notification import LateAfter, Target, check_late
from tidewheel_common.core.validation import validate
from tidewheel_common.crypto.sealed import Subject, Unsealable
from tidewheel_gateway import declare, view
from tidewheel_gateway import notification_rule_queries as queries
from tidewheel_gateway.auth import Tenant
from tidewheel_gateway.body import may_hold_nul, read_json
from tidewheel_gateway.idempotency import REPLAYED, read_key
from tidewheel_gateway.keyed import keep_key
from tidewheel_gateway.notification_rule_queries import NameTaken, RuleDraft, RuleRecord, new_record
from tidewheel_gateway.parts import Parts, parts_of, tenant_of
from tidewheel_gateway.problems import Problem, invalid, not_found
from tidewheel_gateway.queries import clock_read
from tidewheel_gateway.schedule import Name

router = declare.router("notifications")

EventWord = Literal["complete", "dead", "late", "missed"]

Pattern = Annotated[str, StringConstraints(strict=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]


class NotificationRule(Target):
    """A rule; a pattern has `*` for anything, and null covers all."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "dead", "on": ["dead"], "handler": "reports.*", "email": "a@b.c"}]}
    )

    name: Name = Field(description="Unique within the tenant.")
    on: Annotated[tuple[EventWord, ...], Field(min_length=1, max_length=4)] = Field(
        description="A task is `complete` or `dead`; a schedule fired `late`, or `missed` a time. With `late_after`, "
        "`late` are also tasks that have not begun in time."
    )
    late_after: LateAfter = None
    handler: Pattern | None = None
    queue: Pattern | None = None
    tag: Pattern | None = Field(None, description="One of the tags fits it.")

    @model_validator(mode="after")
    def _check_late(self) -> Self:
        check_late(self.on, self.late_after)
        return self


class StoredRule(BaseModel):
    """A rule as it is kept; of its target only the kind and whereto are shown, never a secret."""

    id: UUID
    name: str
    on: list[EventWord]
    handler: str | None
    queue: str | None
    tag: str | None
    late_after: float | None = Field(description="Seconds after which a task that has not begun is `late`.")
    kind: Literal["email", "slack", "webhook"] | None = Field(description="Null when the target cannot be opened.")
    email: str | None = Field(description="The address, where it tells by mail.")
    webhook: str | None = Field(description="The URL, where it tells a webhook. That of Slack is a secret.")
    disabled_at: datetime | None = Field(description="Since when it tells nobody; replacing the rule enables it.")
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class RuleList(BaseModel):
    """Every rule of the tenant."""

    data: list[StoredRule]


@router.post(
    "/v1/notification-rules",
    status_code=201,
    response_class=Response,
    openapi_extra=declare.takes("NotificationRule", keyed=True),
    responses={
        201: {"model": StoredRule, "description": "It is kept.", "headers": declare.located("rule")},
        **declare.answers(409, body=True),
    },
)
async def create_notification_rule(request: Request) -> Response:
    """Keep a rule. It covers tasks that are accepted from now on; other gateways know of it within seconds."""
    parts, tenant = parts_of(request), tenant_of(request)
    key = read_key(request.headers)
    rule, body = await _read(request)
    rule_id, stored = parts.new_id(), None
    async with parts.engine.begin() as connection:
        now = await clock_read(connection)
        if key is not None:
            stored = await keep_key(connection, request, body, key, made=rule_id, now=now)
        if stored is None and not await queries.rule_insert(connection, _draft(parts, tenant, rule_id, rule), now=now):
            raise _name_taken()
    if stored is not None:
        record = new_record(_draft(parts, tenant, stored.task_ids[0] or rule_id, rule), stored.accepted_at)
        return _answer(parts, record, status=201, headers=REPLAYED)
    await parts.rules.tick()
    return _answer(parts, new_record(_draft(parts, tenant, rule_id, rule), now), status=201)


@router.get(
    "/v1/notification-rules",
    response_class=Response,
    responses={200: {"model": RuleList, "description": "The rules, by name."}, **declare.answers()},
)
async def list_notification_rules(request: Request) -> Response:
    """List the rules."""
    parts = parts_of(request)
    async with parts.engine.connect() as connection:
        records = await queries.rules_list(connection, tenant_of(request))
    return Response(to_json({"data": [_shown(parts, record) for record in records]}), media_type=view.JSON)


@router.get(
    "/v1/notification-rules/{rule_id:uuid}",
    response_class=Response,
    responses={200: {"model": StoredRule, "description": "The rule."}, **declare.answers(404)},
)
async def get_notification_rule(request: Request, rule_id: UUID) -> Response:
    """Read a rule."""
    parts = parts_of(request)
    async with parts.engine.connect() as connection:
        record = await queries.rule_find(connection, tenant_of(request), rule_id)
    if record is None:
        raise not_found()
    return _answer(parts, record)


@router.put(
    "/v1/notification-rules/{rule_id:uuid}",
    response_class=Response,
    openapi_extra=declare.takes("NotificationRule"),
    responses={
        200: {"model": StoredRule, "description": "The rule as it is now."},
        **declare.answers(404, 409, body=True),
    },
)
async def replace_notification_rule(request: Request, rule_id: UUID) -> Response:
    """Write a rule anew, which enables it again."""
    parts, tenant = parts_of(request), tenant_of(request)
    rule, _ = await _read(request)
    draft = _draft(parts, tenant, rule_id, rule)
    async with parts.engine.connect() as connection:
        record = await queries.rule_replace(connection, draft)
    if record is None:
        raise not_found()
    if isinstance(record, NameTaken):
        raise _name_taken()
    await parts.rules.tick()
    return _answer(parts, record)


@router.delete(
    "/v1/notification-rules/{rule_id:uuid}",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "It is gone."}, **declare.answers(404)},
)
async def delete_notification_rule(request: Request, rule_id: UUID) -> Response:
    """Delete a rule. Notifications that it has made go on."""
    parts = parts_of(request)
    async with parts.engine.connect() as connection:
        if not await queries.rule_delete(connection, tenant_of(request), rule_id):
            raise not_found()
    await parts.rules.tick()
    return Response(status_code=204)


async def _read(request: Request) -> tuple[NotificationRule, bytes]:
    """Read the rule that is sent, and the body that it stands in."""
    body, document = await read_json(request)
    rule = validate(NotificationRule, document, nul=may_hold_nul(body))
    if isinstance(rule, list):
        raise invalid(rule)
    return rule, body


def _draft(parts: Parts, tenant: Tenant, rule_id: UUID, rule: NotificationRule) -> RuleDraft:
    target = parts.sealer.seal(to_json(rule.call), tenant=tenant, subject=Subject.rule(rule_id), field="target")
    return RuleDraft(
        id=rule_id,
        tenant_id=tenant,
        name=rule.name,
        events=sorted(set(rule.on)),
        handler=rule.handler,
        queue=rule.queue,
        tag=rule.tag,
        target=target,
        late_after=rule.late_after,
    )


def _answer(
    parts: Parts, record: RuleRecord, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    located = {"Location": f"/v1/notification-rules/{record.id}"} if status == HTTPStatus.CREATED else {}
    all_headers = {**located, **(headers or {})}
    return Response(to_json(_shown(parts, record)), status_code=status, headers=all_headers, media_type=view.JSON)


def _shown(parts: Parts, record: RuleRecord) -> dict[str, Any]:
    target = _target(parts, record)
    handler, arguments = target.get("handler", ""), target.get("arguments", {})
    kind = handler.removeprefix("notify.") or None
    facts = {name: getattr(record, name) for name in StoredRule.model_fields if hasattr(record, name)}
    return {
        **facts,
        "on": record.events,
        "kind": kind,
        "email": arguments.get("to"),
        "webhook": arguments.get("url") if kind == "webhook" else None,
    }


def _target(parts: Parts, record: RuleRecord) -> Mapping[str, Any]:
    try:
        text = parts.sealer.open(
            record.target, tenant=record.tenant_id, task_id=None, schedule_id=None, rule_id=record.id, field="target"
        )
    except Unsealable:
        return {}
    opened: Mapping[str, Any] = from_json(text)
    return opened


def _name_taken() -> Problem:
    return Problem("name_taken", "Another rule has this name. Take another one, or change that rule.")
