"""The statements of `notification_rules.sql`, one typed function each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tidewheel_common.core.notice import Coverage
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.errors import UniqueViolation
from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_gateway", "notification_rules.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A rule as it is to be written; `target` is sealed."""

    id: UUID
    tenant_id: UUID
    name: str
    events: list[str]
    handler: str | None
    queue: str | None
    tag: str | None
    target: bytes
    late_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord(RuleDraft):
    """A rule as it is stored."""

    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


def new_record(draft: RuleDraft, at: datetime) -> RuleRecord:
    """Return a rule as it was stored when it was new."""
    return RuleRecord(**asdict(draft), disabled_at=None, disabled_reason=None, created_at=at, updated_at=at)


async def rules_live(connection: Connection) -> list[tuple[UUID, Coverage]]:
    """Read what every rule that is not disabled covers, with its tenant."""
    rows = await connection.execute(_STATEMENTS["rules_live"])
    return [(row.pop("tenant_id"), Coverage(**{**row, "events": frozenset(row["events"])})) for row in map(dict, rows)]


async def rule_insert(connection: Connection, draft: RuleDraft, *, now: datetime) -> bool:
    """Keep a new rule; False when its name is taken."""
    return await _one(connection, "rule_insert", {**asdict(draft), "now": now}) is not None


async def rule_find(connection: Connection, tenant_id: UUID, rule_id: UUID) -> RuleRecord | None:
    """Read a rule of a tenant."""
    return await _one(connection, "rule_find", {"tenant_id": tenant_id, "id": rule_id})


async def rules_list(connection: Connection, tenant_id: UUID) -> list[RuleRecord]:
    """Read a tenant's rules, by name."""
    rows = await connection.execute(_STATEMENTS["rules_list"], {"tenant_id": tenant_id})
    return [RuleRecord(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class NameTaken:
    """Another rule of the tenant has the name."""


async def rule_replace(connection: Connection, draft: RuleDraft) -> RuleRecord | NameTaken | None:
    """Write a rule anew; None when it is not there."""
    try:
        return await _one(connection, "rule_replace", {**asdict(draft), "now": None})
    except UniqueViolation:
        return NameTaken()


async def rule_delete(connection: Connection, tenant_id: UUID, rule_id: UUID) -> bool:
    """Delete a rule; False when it is not there."""
    parameters = {"tenant_id": tenant_id, "id": rule_id}
    return (await connection.execute(_STATEMENTS["rule_delete"], parameters)).one_or_none() is not None


async def _one(connection: Connection, name: str, parameters: Mapping[str, Any]) -> RuleRecord | None:
    row = (await connection.execute(_STATEMENTS[name], parameters)).one_or_none()
    return None if row is None else RuleRecord(**row)
