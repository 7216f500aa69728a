"""One typed function for each statement in `scribe.sql`."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements

_STATEMENTS = load_statements("tidewheel_executor", "scribe.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some lines of an attempt's log, sealed."""

    task_id: UUID
    tenant_id: UUID
    attempt: int
    part: int
    lines: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an attempt is; `meta` is sealed."""

    task_id: UUID
    tenant_id: UUID
    attempt: int
    state: str
    meta: bytes


async def logs_append(connection: Connection, pieces: Sequence[Piece]) -> None:
    """Keep what attempts have logged."""
    parameters = {
        "ids": [piece.task_id for piece in pieces],
        "attempts": [piece.attempt for piece in pieces],
        "parts": [piece.part for piece in pieces],
        "tenants": [piece.tenant_id for piece in pieces],
        "lines": [piece.lines for piece in pieces],
        "now": None,
    }
    await connection.execute(_STATEMENTS["logs_append"], parameters)


async def progress_put(connection: Connection, progress: Sequence[Progress]) -> None:
    """Keep how far attempts are."""
    parameters = {
        "ids": [each.task_id for each in progress],
        "attempts": [each.attempt for each in progress],
        "tenants": [each.tenant_id for each in progress],
        "states": [each.state for each in progress],
        "metas": [each.meta for each in progress],
        "now": None,
    }
    await connection.execute(_STATEMENTS["progress_put"], parameters)
