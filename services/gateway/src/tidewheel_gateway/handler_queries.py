"""The statements of `handlers.sql`, one typed function each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements
from tidewheel_gateway.queries import EXECUTOR_STALE

OVERLAP: Final = 180.0
"""Seconds; a variant counts that was seen at most so long before the latest one. Executors publish every minute."""

_STATEMENTS = load_statements("tidewheel_gateway", "handlers.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A variant of a handler that counts; `arguments` is its JSON Schema, None where it was known."""

    name: str
    digest: bytes
    arguments: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A variant of a handler with all that was published of it, and the live executors that have the handler."""

    name: str
    queue: str | None
    description: str
    arguments: str
    first_seen_at: datetime
    seen_at: datetime
    executors: list[UUID]


async def handlers_current(connection: Connection, known: Collection[bytes]) -> list[Variant]:
    """Read the variants that count, by handler, the newest first; `known` are digests whose schemas are not needed."""
    parameters = {"known": list(known), "overlap": OVERLAP}
    rows = await connection.execute(_STATEMENTS["handlers_current"], parameters)
    return [Variant(**row) for row in rows]


async def handlers_list(connection: Connection, *, now: datetime | None = None) -> list[Published]:
    """Read everything that is published of the variants that count, by handler, the newest first."""
    parameters = {"overlap": OVERLAP, "stale": EXECUTOR_STALE, "now": now}
    rows = await connection.execute(_STATEMENTS["handlers_list"], parameters)
    return [Published(**row) for row in rows]
