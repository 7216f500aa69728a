"""Works off bulk operations: one action on all tasks that a filter means, a batch at a time.

A batch, and how far the operation has come with it, are one transaction: whoever goes on after a crash begins where
the last batch ended. Gateways share the work through a row lock. It is the gateways that do it, because theirs are the
changes of state that a caller may ask for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal
from uuid import UUID

import structlog

from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.store.errors import StoreError, is_transient
from tidewheel_gateway import operation_queries, queries
from tidewheel_gateway.listing import TaskQuery, next_tasks
from tidewheel_gateway.operation_queries import Held
from tidewheel_gateway.records import UniqueTaken
from tidewheel_gateway.wakeups import Wakeups

BATCH: Final = 500
"""Tasks that one transaction changes."""

EVERY: Final = 5.0
"""Seconds between two looks for operations that another gateway has left."""

ActionWord = Literal["cancel", "redrive", "delete", "reprioritise"]

TOUCHES: Final[Mapping[str, frozenset[State]]] = {
    "cancel": frozenset(State) - FINAL,
    "redrive": frozenset({State.DEAD, State.CANCELLED, State.EXPIRED}),
    "delete": FINAL,
    "reprioritise": frozenset({State.BLOCKED, State.WAITING, State.READY}),
}
"""The states of the tasks that an action can change; it passes over all others."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Moved = Mapping[UUID, State]


def meant(action: str, wanted: TaskQuery) -> TaskQuery | None:
    """Return which tasks an action on a filter means; None when it can mean none."""
    states = TOUCHES[action] & set(wanted.state) if wanted.state else TOUCHES[action]
    return wanted.model_copy(update={"state": sorted(states)}) if states else None


class Bulk:
    """Works off what is kept in `operations`.

    Args:
        engine: the database.
        wakeups: whom to tell of what was changed.
        size: tasks in a batch.
    """

    def __init__(self, engine: Engine, wakeups: Wakeups, *, size: int = BATCH) -> None:
        self._engine = engine
        self._wakeups = wakeups
        self._size = size
        self.wake = asyncio.Event()

    async def tick(self) -> float | None:
        """Work off one batch."""
        async with self._engine.begin() as connection:
            held = await operation_queries.operation_hold(connection)
            if held is None:
                return None
            wanted = meant(held.action, TaskQuery.model_validate_json(held.filter))
            ids = [] if wanted is None else await self._choose(connection, held, wanted)
            moved = await _guarded(connection, held, ids)
            await operation_queries.operation_advance(
                connection,
                held.id,
                done=len(moved),
                failed=len(ids) - len(moved),
                reached=ids[-1] if ids else held.reached,
                over=len(ids) < self._size,
            )
        self._tell(held.action, moved)
        return AGAIN

    async def _choose(self, connection: Connection, held: Held, wanted: TaskQuery) -> list[UUID]:
        return await next_tasks(
            connection, held.tenant_id, wanted, behind=held.reached, until=held.created_at, most=self._size
        )

    def _tell(self, action: str, moved: Moved) -> None:
        if not moved:
            return
        if action == "cancel":
            self._wakeups.final.wake(*(str(task_id) for task_id, state in moved.items() if state in FINAL))
            self._wakeups.scheduler.wake()  # it tells the dependants
            if State.RUNNING in moved.values():
                self._wakeups.executor.wake()
        elif action == "delete":
            self._wakeups.reaper.wake()
        else:
            self._wakeups.dispatcher.wake()


async def _guarded(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved:
    """Change a batch; one that PostgreSQL refuses counts as failed, and does not stop the operation."""
    if not ids:
        return {}
    try:
        async with connection.begin():
            return await _ACTIONS[held.action](connection, held, ids)
    except StoreError as error:
        if is_transient(error):
            raise
        log.exception("batch of a bulk operation refused", operation_id=str(held.id), tasks=len(ids))
        return {}


async def _cancel(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved:
    return await queries.tasks_cancel(connection, held.tenant_id, ids)


async def _delete(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved:
    return await queries.tasks_discard(connection, held.tenant_id, ids)


async def _reprioritise(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved:
    return await queries.tasks_reprioritise(connection, held.tenant_id, ids, held.priority or 0)


async def _redrive(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved:
    """Redrive a batch; when the unique key of one is taken, one by one."""
    moved = await _redrive_within(connection, held, ids)
    if moved is not None:
        return moved
    found: dict[UUID, State] = {}
    for task_id in ids:
        found |= await _redrive_within(connection, held, [task_id]) or {}
    return found


async def _redrive_within(connection: Connection, held: Held, ids: Sequence[UUID]) -> Moved | None:
    async with connection.begin() as part:
        moved = await queries.tasks_redrive(connection, held.tenant_id, ids)
        if isinstance(moved, UniqueTaken):
            await part.rollback()
            return None
        return moved


_ACTIONS: Final[Mapping[str, Callable[[Connection, Held, Sequence[UUID]], Awaitable[Moved]]]] = {
    "cancel": _cancel,
    "redrive": _redrive,
    "delete": _delete,
    "reprioritise": _reprioritise,
}
