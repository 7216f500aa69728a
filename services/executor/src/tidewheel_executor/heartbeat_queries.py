"""The executor's sign of life in PostgreSQL, and what it says of its handlers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Row
from tidewheel_common.store.sql import load_statements
from tidewheel_executor.signature import Signature

STATEMENTS = load_statements("tidewheel_executor", "heartbeat.sql")

ENOUGH = 30.0
"""Seconds in which a handler need not be said to be there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What an executor says of itself."""

    id: UUID
    hostname: str
    pid: int
    queues: Sequence[str]
    handlers: Sequence[str]


async def beat(connection: Connection, presence: Presence, *, now: datetime | None = None) -> None:
    """Say that the executor is alive."""
    await connection.execute(
        STATEMENTS["executors_beat"],
        {
            "id": presence.id,
            "hostname": presence.hostname,
            "pid": presence.pid,
            "queues": list(presence.queues),
            "handlers": list(presence.handlers),
            "now": now,
        },
    )


async def tasks_cancelling(connection: Connection, executor_id: UUID, *, now: datetime | None = None) -> Sequence[Row]:
    """Return `(id, attempt, seconds)` of what an executor runs although it is to be cancelled, and since when."""
    parameters = {"executor_id": executor_id, "now": now}
    return await connection.execute(STATEMENTS["tasks_cancelling"], parameters)


async def leave(connection: Connection, executor_id: UUID) -> None:
    """Take the executor's row away."""
    await connection.execute(STATEMENTS["executors_leave"], {"id": executor_id})


async def publish(connection: Connection, signatures: Sequence[Signature], *, now: datetime | None = None) -> None:
    """Say what the executor's handlers are."""
    parameters = {
        "names": [each.name for each in signatures],
        "digests": [each.digest for each in signatures],
        "queues": [each.queue for each in signatures],
        "descriptions": [each.description for each in signatures],
        "arguments": [each.arguments for each in signatures],
        "enough": ENOUGH,
        "now": now,
    }
    await connection.execute(STATEMENTS["handlers_publish"], parameters)
