"""The results of the tasks that claimed ones depended on, read for as many of them at a time as there is room for."""

import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from uuid import UUID

from tidewheel_common.store.engine import Engine
from tidewheel_executor import queries
from tidewheel_executor.claim import CLAIM_PATIENCE, Claimed
from tidewheel_executor.patience import Patience


async def read_parents(engine: Engine, claimed: Sequence[Claimed]) -> tuple[list[Claimed], list[Claimed]]:
    """Give tasks the results of their parents; return those that have them, the first ones, and those that must wait.

    The next are read when these have run, so that no batch is larger than its process. At least one has them.

    Args:
        engine: the database.
        claimed: in the order in which they will run.

    Raises:
        StoreError, OSError: PostgreSQL stayed away, or refused the statement.
    """
    linked = [task.task_id for task in claimed if task.linked]
    if not linked:
        return list(claimed), []
    found = await _read(engine, linked)
    ready = list(takewhile(lambda task: not task.linked or task.task_id in found, claimed))
    return [_with(task, found) if task.linked else task for task in ready], list(claimed[len(ready) :])


async def _read(engine: Engine, linked: Sequence[UUID]) -> Mapping[UUID, queries.Parents]:
    patience = Patience(time.monotonic() + CLAIM_PATIENCE)
    found: Mapping[UUID, queries.Parents] | None = None
    while found is None:
        try:
            async with engine.connect() as connection:
                found = await queries.parents_results(connection, linked)
        except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
            await patience.endure(error)
    return found


def _with(task: Claimed, found: Mapping[UUID, queries.Parents]) -> Claimed:
    parents = found[task.task_id]
    return task._replace(parents=parents.results, order=parents.order)
