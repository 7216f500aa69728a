"""The reaper's statements, one typed function each. `now` is None in production: the database's clock decides."""

from datetime import datetime

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import load_statements

KEEP = 600.0
"""Seconds for which a task is kept once more that others are still blocked by."""

_STATEMENTS = load_statements(__package__)


async def tasks_remove(connection: Connection, *, most: int, now: datetime | None = None) -> int:
    """Delete final tasks whose removal delay has passed, unless others are blocked by them; return how many tasks."""
    parameters = {"most": most, "keep": KEEP, "now": now}
    row = (await connection.execute(_STATEMENTS["tasks_remove"], parameters)).one()
    return int(row.tasks)


async def tasks_next_removal(connection: Connection, *, now: datetime | None = None) -> float | None:
    """Return the seconds until the next final task may be removed, negative when it might already be."""
    row = (await connection.execute(_STATEMENTS["tasks_next_removal"], {"now": now})).one()
    seconds: float | None = row.seconds
    return seconds


async def idempotency_keys_remove(
    connection: Connection, *, most: int, keep: float, now: datetime | None = None
) -> int:
    """Delete expired keys whose tasks are gone, keep the others for `keep` seconds; return how many were expired."""
    parameters = {"most": most, "keep": keep, "now": now}
    row = (await connection.execute(_STATEMENTS["idempotency_keys_remove"], parameters)).one()
    return int(row.keys_seen)


async def fires_remove(connection: Connection, *, most: int, age: float, now: datetime | None = None) -> int:
    """Delete entries of the ledgers that are older than `age` seconds, and return how many."""
    parameters = {"most": most, "age": age, "now": now}
    row = (await connection.execute(_STATEMENTS["fires_remove"], parameters)).one()
    return int(row.fires)


async def operations_remove(connection: Connection, *, most: int, age: float, now: datetime | None = None) -> int:
    """Delete bulk operations that have been over for more than `age` seconds, and return how many."""
    parameters = {"most": most, "age": age, "now": now}
    row = (await connection.execute(_STATEMENTS["operations_remove"], parameters)).one()
    return int(row.operations)
