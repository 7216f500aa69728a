"""One typed function for each statement in `queries.sql`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tidewheel_common.core.decide import Transition
from tidewheel_common.store.columns import columns_of
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.rows import Row
from tidewheel_common.store.sql import load_statements

STATEMENTS = load_statements("tidewheel_executor")


PAYLOAD_BYTES = 16 * 1024 * 1024
"""How much of sealed payloads a claim brings; and how much more is read at a time, beyond the last task."""

PARENT_BYTES = 16 * 1024 * 1024
"""How much of its parents' results a task is given, the results beyond are left out; and how much a batch holds of
them, beyond its last task."""


_COMPLETION = ("ids", "attempts", "results")
"""The columns of completions, as `tasks_complete` names them."""

_ENDING = (
    *("ids", "attempts", "states", "attempt_states", "failures", "losts", "waits", "reasons"),
    *("results", "errors", "error_types"),
)
"""The columns of endings, as `tasks_finish` names them."""


Completion = tuple[UUID, int, bytes | None]
"""A task, the attempt that has completed it, and its sealed result."""


class Endings:
    """How attempts ended, to be recorded together."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        """Count them."""
        return len(self._rows)

    def add(
        self,
        task_id: UUID,
        attempt: int,
        transition: Transition,
        *,
        result: bytes | None = None,
        error: bytes | None = None,
        error_type: str | None = None,
    ) -> None:
        """Append one ending; `result` and `error` are sealed."""
        state, attempt_state, failures, lost, wait, reason = transition
        self._rows.append(
            (task_id, attempt, state, attempt_state, failures, lost, wait, reason, result, error, error_type)
        )

    def columns(self) -> dict[str, Sequence[Any]]:
        """Return them column by column. Most have no wait, no reason and no error: what nobody has is left empty."""
        return columns_of(self._rows, _ENDING)


async def tasks_claim(
    connection: Connection,
    *,
    ids: Sequence[UUID],
    attempts: Sequence[int],
    leases: Sequence[float],
    executor_id: UUID,
    now: datetime | None = None,
) -> Sequence[Row]:
    """Claim the tasks of a batch of hints; what is not returned was stale. Large payloads are left out.

    Args:
        connection: each statement on it is its own transaction.
        ids: the tasks.
        attempts: the attempt of each as its hint knows it.
        leases: seconds for which each is held.
        executor_id: who claims.
        now: an instant for tests.
    """
    parameters = {
        "ids": ids,
        "attempts": attempts,
        "leases": leases,
        "executor_id": executor_id,
        "payload_bytes": PAYLOAD_BYTES // max(1, len(ids)),
        "now": now,
    }
    return await connection.execute(STATEMENTS["tasks_claim"], parameters)


async def payloads_read(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, bytes | None]:
    """Read the sealed payloads of the first of some tasks, as far as there is room; None for a task that is gone."""
    rows = await connection.execute(STATEMENTS["payloads_read"], {"ids": ids, "most_bytes": PAYLOAD_BYTES})
    return dict(tuple(row) for row in rows)


class Parents(NamedTuple):
    """All parents of a task as it named them, and the sealed results of those that are complete, by their ids."""

    order: Sequence[UUID]
    results: Mapping[UUID, bytes | None]


async def parents_results(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Parents]:
    """Read the parents of the first of some tasks, as far as there is room, with the results of complete ones."""
    parameters = {"ids": ids, "most_bytes": PARENT_BYTES}
    rows = await connection.execute(STATEMENTS["parents_results"], parameters)
    orders: dict[UUID, list[UUID]] = {task_id: [] for task_id, *_ in rows}
    results: dict[UUID, dict[UUID, bytes | None]] = {task_id: {} for task_id in orders}
    for task_id, parent_id, known, result in rows:
        if parent_id is not None:
            orders[task_id].append(parent_id)
        if known:
            results[task_id][parent_id] = result
    return {task_id: Parents(order, results[task_id]) for task_id, order in orders.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the dependants of some tasks: how many are ready, and which were cancelled."""

    ready: int
    cancelled: Sequence[UUID]

    def __add__(self, other: "Settled") -> "Settled":
        """Return both together."""
        return Settled(ready=self.ready + other.ready, cancelled=[*self.cancelled, *other.cancelled])


async def dependants_settle(connection: Connection, ids: Sequence[UUID], *, now: datetime | None = None) -> Settled:
    """Tell the dependants of tasks that have just ended; in the transaction that ended them."""
    row = (await connection.execute(STATEMENTS["dependants_settle"], {"ids": ids, "now": now})).one()
    return Settled(ready=row.ready, cancelled=row.cancelled)


async def tasks_complete(
    connection: Connection, completions: Sequence[Completion], *, now: datetime | None = None
) -> Sequence[Row]:
    """Record completions; return `(id)` of each task that its attempt still held and nobody depends on.

    Args:
        connection: one that keeps its plans.
        completions: what the attempts came to.
        now: an instant for tests.
    """
    parameters = {**columns_of(completions, _COMPLETION), "now": now}
    return await connection.execute(STATEMENTS["tasks_complete"], parameters)


async def tasks_finish(
    connection: Connection, endings: Endings, *, hold_awaited: bool = False, now: datetime | None = None
) -> Sequence[Row]:
    """Record endings; return `(id, cancelled, awaited)` of each task that its attempt still held.

    Args:
        connection: where.
        endings: how the attempts ended.
        hold_awaited: leave untouched, and return as `awaited`, what would end while others depend on it. Without it
            the scheduler tells them.
        now: an instant for tests.
    """
    parameters = {**endings.columns(), "hold_awaited": hold_awaited, "now": now}
    return await connection.execute(STATEMENTS["tasks_finish"], parameters)


async def tasks_abandoned(
    connection: Connection,
    *,
    ids: Sequence[UUID],
    attempts: Sequence[int],
    executor_id: UUID,
    ago: float | None = None,
    now: datetime | None = None,
) -> Sequence[Row]:
    """Return what an executor claimed from hints and nobody has finished; with `ago`, at least so many seconds ago."""
    parameters = {"ids": ids, "attempts": attempts, "executor_id": executor_id, "ago": ago, "now": now}
    return await connection.execute(STATEMENTS["tasks_abandoned"], parameters)
