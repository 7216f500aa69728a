"""What claimed tasks need besides their rows: payloads that are large, and the results of what they depended on.

They are read for as many tasks at a time as there is room for.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar
from uuid import UUID

from tidewheel_common.store.engine import Connection, Engine
from tidewheel_executor import queries
from tidewheel_executor.claim import CLAIM_PATIENCE, Claimed
from tidewheel_executor.patience import Patience

Found = TypeVar("Found")


def is_complete(task: Claimed) -> bool:
    """Tell whether a task needs nothing more to be read."""
    return task.payload is not None and not task.linked


async def supply(engine: Engine, claimed: Sequence[Claimed]) -> list[Claimed]:
    """Return the first of some tasks, one at least, with all that they need.

    The next are supplied when these have run, so that no batch is larger than its process.

    Args:
        engine: the database.
        claimed: in the order in which they will run.

    Raises:
        StoreError, OSError: PostgreSQL stayed away, or refused a statement.
    """
    large = [task.task_id for task in claimed if task.payload is None]
    linked = [task.task_id for task in claimed if task.linked]
    payloads = await _read(engine, queries.payloads_read, large)
    parents = await _read(engine, queries.parents_results, linked)

    def is_there(task: Claimed) -> bool:
        return (task.payload is not None or task.task_id in payloads) and (not task.linked or task.task_id in parents)

    return [_with(task, payloads, parents) for task in takewhile(is_there, claimed)]


async def _read(
    engine: Engine, statement: Callable[[Connection, Sequence[UUID]], Awaitable[dict[UUID, Found]]], ids: Sequence[UUID]
) -> Mapping[UUID, Found]:
    patience = Patience(time.monotonic() + CLAIM_PATIENCE)
    found: Mapping[UUID, Found] | None = None if ids else {}
    while found is None:
        try:
            async with engine.connect() as connection:
                found = await statement(connection, ids)
        except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
            await patience.endure(error)
    return found


def _with(task: Claimed, payloads: Mapping[UUID, bytes | None], parents: Mapping[UUID, queries.Parents]) -> Claimed:
    payload = payloads[task.task_id] if task.payload is None else task.payload
    if not task.linked:
        return task._replace(payload=payload)
    found = parents[task.task_id]
    return task._replace(payload=payload, parents=found.results, order=found.order)
