"""The statements of `queries.sql`, one typed function each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tidewheel_common.core.lifecycle import State
from tidewheel_common.store.columns import columns_of
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.errors import UniqueViolation
from tidewheel_common.store.rows import Row
from tidewheel_common.store.sql import load_statements
from tidewheel_gateway.records import (
    Acceptance,
    Accepted,
    AttemptRecord,
    Dependency,
    ExecutorRecord,
    KeyBusy,
    KeyRecord,
    KeyTaken,
    KeyUse,
    LogRecord,
    Serving,
    Stored,
    Straight,
    Submission,
    TaskRecord,
    TaskRow,
    UniqueTaken,
)

KEY_LIFETIME: Final = 48 * 3600.0
"""Seconds that an idempotency key is kept."""

EXECUTOR_STALE: Final = 15.0
"""Seconds without a heartbeat after which an executor counts as gone."""

_STATEMENTS = load_statements("tidewheel_gateway")

_COLUMNS = (
    "ids", "tenants", "handlers", "queues", "priorities", "payloads", "attempts", "timeouts", "backoffs",
    "removal_delays", "deliveries", "tags", "traceparents", "run_ats", "delays", "expiries",
    "awaiteds", "pendings", "on_parent_failures", "unique_keys", "concurrency_keys", "concurrency_limits",
    "notifies", "owing", "late_afters",
)  # fmt: skip
"""The arrays of `tasks_accept`, in the order of `TaskRow`."""

_ALIKE = {
    "tenants", "handlers", "queues", "priorities", "attempts", "removal_delays", "deliveries", "tags", "delays",
    "awaiteds", "pendings", "owing",
}  # fmt: skip
"""Those that the statement takes once where all rows have the same. They have something in each row."""


async def _one(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
    return (await connection.execute(_STATEMENTS[name], parameters)).one_or_none()


async def _many(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
    return await connection.execute(_STATEMENTS[name], parameters)


async def tasks_accept(
    connection: Connection,
    submissions: Sequence[Submission],
    *,
    straight: Straight | None = None,
    now: datetime | None = None,
) -> list[Acceptance]:
    """Insert the tasks of many submissions and their idempotency keys, and say for each what came of it.

    Args:
        connection: each statement on it is its own transaction, or the caller's.
        submissions: what is to be accepted.
        straight: the tasks that go straight to their streams, unless something is set for their queues.
        now: the instant that a test sets.
    """
    parameters = {
        **_task_arrays(submissions, straight),
        **_key_arrays(submissions),
        "key_lifetime": KEY_LIFETIME,
        "straight_queues": sorted({line.queue for line in straight or ()}),
        "now": now,
    }
    rows = await connection.execute(_STATEMENTS["tasks_accept"], parameters)
    accepted = Accepted(rows[0].now, frozenset(rows[0].held or ()))
    refused: dict[int, Acceptance] = {
        row.place: KeyTaken() if row.locked else KeyBusy() for row in rows if row.place is not None
    }
    return [refused.get(place, accepted) for place in range(len(submissions))]


def _task_arrays(submissions: Sequence[Submission], straight: Straight | None) -> dict[str, Any]:
    rows = [row for submission in submissions for row in submission.rows]
    places = [place for place, submission in enumerate(submissions) for _ in submission.rows]
    return {
        "places": places if len(submissions) > 1 else places[:1],
        "straights": _straights(rows, straight or {}),
        **columns_of(rows, _COLUMNS, alike=_ALIKE),
    }


def _straights(rows: Sequence[TaskRow], straight: Straight) -> list[bool]:
    chosen = sum(len(some) for some in straight.values())
    if chosen in {0, len(rows)}:
        return [bool(chosen)]
    ids = {row.id for some in straight.values() for row in some}
    return [row.id in ids for row in rows]


def _key_arrays(submissions: Sequence[Submission]) -> dict[str, Any]:
    keyed = [(place, each, each.key) for place, each in enumerate(submissions) if each.key is not None]
    return {
        "key_places": [place for place, _, _ in keyed],
        "key_tenants": [key.tenant_id for _, _, key in keyed],
        "key_texts": [key.key for _, _, key in keyed],
        "key_fingerprints": [key.fingerprint for _, _, key in keyed],
        # An array of arrays must be even in PostgreSQL; the text of each array need not be.
        "key_tasks": ["{" + ",".join(str(i) if i else "NULL" for i in each.places) + "}" for _, each, _ in keyed],
    }


async def tasks_release(connection: Connection, ids: Sequence[UUID], *, now: datetime | None = None) -> int:
    """Let the dispatcher have tasks whose hints did not reach their streams, and return how many."""
    return (await connection.execute(_STATEMENTS["tasks_release"], {"ids": list(ids), "now": now})).touched


async def clock_read(connection: Connection) -> datetime:
    """Read the database's clock."""
    now: datetime = (await connection.execute(_STATEMENTS["clock_now"])).scalar_one()
    return now


async def unique_hold(connection: Connection, tenant_id: UUID, keys: Sequence[str]) -> dict[str, UUID]:
    """Keep others from submitting under some unique keys until the transaction ends; return who holds them now."""
    parameters = {"tenant_id": tenant_id, "keys": sorted(keys)}
    await connection.execute(_STATEMENTS["unique_lock"], parameters)
    rows = await connection.execute(_STATEMENTS["unique_holders"], parameters)
    return {row.unique_key: row.id for row in rows}


async def parents_hold(connection: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, State]:
    """Hold tasks as they are until the transaction ends, and return the states of those that are there."""
    rows = await connection.execute(_STATEMENTS["parents_hold"], {"tenant_id": tenant_id, "ids": list(ids)})
    return {row.id: State(row.state) for row in rows}


async def parents_await(connection: Connection, ids: Sequence[UUID]) -> None:
    """Mark tasks that are held as awaited: whoever ends them tells their dependants."""
    await connection.execute(_STATEMENTS["parents_await"], {"ids": list(ids)})


async def dependencies_insert(connection: Connection, dependencies: Sequence[Dependency]) -> None:
    """Keep who depends on whom."""
    parameters = {
        "tasks": [each.task_id for each in dependencies],
        "parents": [each.parent_id for each in dependencies],
        "outcomes": [each.outcome for each in dependencies],
        "places": [each.place for each in dependencies],
    }
    await connection.execute(_STATEMENTS["dependencies_insert"], parameters)


async def idempotency_find(connection: Connection, tenant_id: UUID, key: str) -> Stored | None:
    """Read what an idempotency key stands for."""
    row = await _one(connection, "idempotency_find", {"tenant_id": tenant_id, "key": key})
    if row is None:
        return None
    return Stored(fingerprint=row["fingerprint"], task_ids=tuple(row["task_ids"]), accepted_at=row["accepted_at"])


async def idempotency_keep(
    connection: Connection, use: KeyUse, *, ids: Sequence[UUID | None], accepted_at: datetime
) -> Acceptance:
    """Keep an idempotency key in the transaction of what it stands for, unless it is taken or in flight."""
    row = await _one(
        connection,
        "idempotency_keep",
        {**asdict(use), "task_ids": list(ids), "accepted_at": accepted_at, "key_lifetime": KEY_LIFETIME},
    )
    if row is None or not row["locked"]:
        return KeyBusy()
    return Accepted(accepted_at) if row["kept"] else KeyTaken()


async def task_find(connection: Connection, tenant_id: UUID, task_id: UUID) -> TaskRecord | None:
    """Read a task of a tenant."""
    row = await _one(connection, "task_find", {"tenant_id": tenant_id, "id": task_id})
    return None if row is None else TaskRecord(**{**row, "state": State(row["state"])})


async def task_fitting(connection: Connection, tenant_id: UUID, task_id: UUID) -> tuple[str, int] | None:
    """Read a task's handler and how many parents it has."""
    row = await _one(connection, "task_fitting", {"tenant_id": tenant_id, "id": task_id})
    return None if row is None else (row["handler"], row["parents"])


async def task_state(connection: Connection, tenant_id: UUID, task_id: UUID) -> State | None:
    """Read only where a task is."""
    row = await _one(connection, "task_state", {"tenant_id": tenant_id, "id": task_id})
    return None if row is None else State(row["state"])


async def task_attempts(connection: Connection, tenant_id: UUID, task_id: UUID) -> list[AttemptRecord]:
    """Read the attempts of a task, the first one first and the one that runs last."""
    rows = await _many(connection, "task_attempts", {"tenant_id": tenant_id, "id": task_id})
    return [AttemptRecord(**row) for row in rows]


async def task_logs(
    connection: Connection, tenant_id: UUID, task_id: UUID, *, after: tuple[int, int], most: int
) -> list[LogRecord]:
    """Read pieces of what a task's attempts have logged, beyond an attempt and its part."""
    attempt, part = after
    parameters = {"tenant_id": tenant_id, "id": task_id, "attempt": attempt, "part": part, "most": most}
    return [LogRecord(**row) for row in await _many(connection, "task_logs", parameters)]


async def tasks_cancel(
    connection: Connection, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime | None = None
) -> dict[UUID, State]:
    """Cancel tasks, or ask for it where they run; what is final or not there is missing in the answer."""
    return await _moved(connection, "tasks_cancel", {"tenant_id": tenant_id, "ids": list(ids), "now": now})


async def tasks_redrive(
    connection: Connection,
    tenant_id: UUID,
    ids: Sequence[UUID],
    *,
    payload: bytes | None = None,
    now: datetime | None = None,
) -> dict[UUID, State] | UniqueTaken:
    """Give tasks that ended badly a fresh start; what did not, or is not there, is missing in the answer.

    Args:
        connection: where; it is of no more use inside of a transaction when a unique key is taken.
        tenant_id: whose.
        ids: which.
        payload: the new payload of all of them, sealed; None leaves theirs.
        now: instead of the database's clock.
    """
    parameters = {"tenant_id": tenant_id, "ids": list(ids), "payload": payload, "now": now}
    try:
        return await _moved(connection, "tasks_redrive", parameters)
    except UniqueViolation:
        return UniqueTaken()


async def tasks_discard(
    connection: Connection, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime | None = None
) -> dict[UUID, State]:
    """Let the reaper have final tasks now; what is not final, or not there, is missing in the answer."""
    return await _moved(connection, "tasks_discard", {"tenant_id": tenant_id, "ids": list(ids), "now": now})


async def tasks_reprioritise(
    connection: Connection, tenant_id: UUID, ids: Sequence[UUID], priority: int
) -> dict[UUID, State]:
    """Give tasks that are not in Redis yet another priority; the others are missing in the answer."""
    parameters = {"tenant_id": tenant_id, "ids": list(ids), "priority": priority}
    return await _moved(connection, "tasks_reprioritise", parameters)


async def task_edit(
    connection: Connection,
    tenant_id: UUID,
    task_id: UUID,
    changes: Mapping[str, Any],
    *,
    now: datetime | None = None,
) -> State | None:
    """Change a task that waits or is ready; None when it is in another state, or not there.

    Args:
        connection: where.
        tenant_id: whose.
        task_id: which.
        changes: columns and their new values; only `timeout` and `expires_at` may become None.
        now: instead of the database's clock.
    """
    kept = ("run_at", "priority", "max_attempts", "removal_delay", "tags", "timeout", "expires_at")
    parameters = {
        **{name: changes.get(name) for name in kept},
        "set_timeout": "timeout" in changes,
        "set_expires_at": "expires_at" in changes,
        "id": task_id,
        "tenant_id": tenant_id,
        "now": now,
    }
    row = await _one(connection, "task_edit", parameters)
    return None if row is None else State(row["state"])


async def _moved(connection: Connection, name: str, parameters: Mapping[str, Any]) -> dict[UUID, State]:
    return {row["id"]: State(row["state"]) for row in await _many(connection, name, parameters)}


async def executors_serving(
    connection: Connection, handler: str, queue: str, *, now: datetime | None = None
) -> Serving:
    """Count who could run a task of this handler and queue."""
    parameters = {"handler": handler, "queue": queue, "stale": EXECUTOR_STALE, "now": now}
    rows = await _many(connection, "executors_serving", parameters)
    return Serving(**rows[0])


async def executors_list(connection: Connection, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """Read the live executors, as the API shows them."""
    rows = await _many(connection, "executors_list", {"stale": EXECUTOR_STALE, "now": now})
    return [dict(row) for row in rows]


async def executor_find(connection: Connection, executor_id: UUID) -> ExecutorRecord | None:
    """Read who an executor is."""
    row = await _one(connection, "executor_find", {"id": executor_id})
    return None if row is None else ExecutorRecord(**row)


async def api_key_find(connection: Connection, key_id: str) -> KeyRecord | None:
    """Read whose an API key is."""
    row = await _one(connection, "api_key_find", {"id": key_id})
    return None if row is None else KeyRecord(**row)


async def bootstrap_lock(connection: Connection, turn: int) -> None:
    """Wait for the turn to look whether the first tenant and key are there."""
    await connection.execute(_STATEMENTS["bootstrap_lock"], {"turn": turn})


async def api_keys_exist(connection: Connection) -> bool:
    """Tell whether any API key was ever made."""
    return bool((await connection.execute(_STATEMENTS["api_keys_exist"])).scalar_one())


async def tenant_is(connection: Connection, tenant_id: UUID, name: str) -> bool:
    """Tell whether a tenant has a name."""
    return bool((await connection.execute(_STATEMENTS["tenant_is"], {"id": tenant_id, "name": name})).scalar_one())


async def tenant_ensure(connection: Connection, tenant_id: UUID, name: str) -> UUID:
    """Return a tenant by its name, made with this id where it is missing."""
    parameters = {"id": tenant_id, "name": name}
    kept: UUID = (await connection.execute(_STATEMENTS["tenant_ensure"], parameters)).scalar_one()
    return kept


async def api_key_ensure(
    connection: Connection, *, key_id: str, tenant_id: UUID, name: str, secret_hash: bytes
) -> bytes:
    """Keep an API key unless its public part is there, and return the hash that is kept."""
    parameters = {"id": key_id, "tenant_id": tenant_id, "name": name, "secret_hash": secret_hash}
    kept: bytes = (await connection.execute(_STATEMENTS["api_key_ensure"], parameters)).scalar_one()
    return kept


async def schema_version(connection: Connection) -> str | None:
    """Read which migration ran last; None before the first."""
    if not (await connection.execute(_STATEMENTS["schema_find"])).scalar_one():
        return None
    version: str | None = (await connection.execute(_STATEMENTS["schema_version"])).scalar_one_or_none()
    return version
