"""Accepts tasks whose fate hangs on others: parents that they wait for, unique keys that somebody may hold.

All of it is one transaction. It holds the parents first, so that none of them ends between the look at it and the
commit: whoever ends a parent afterwards finds it marked as awaited.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.core.submission import Candidate
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.store.errors import StoreError, sqlstate
from tidewheel_gateway import queries
from tidewheel_gateway.links import Item, refuse_dependants, sort, unknown_parents
from tidewheel_gateway.records import Acceptance, Accepted, Dependency, KeyUse, Submission, TaskRow

TRIES: Final = 3

_REPEATED: Final = ("40P01", "40001", "23505")
"""SQLSTATEs after which the same transaction may succeed: a deadlock, or a unique key that came back by a redrive."""

MakeRow = Callable[[UUID, Candidate], TaskRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be accepted.

    Attributes:
        items: candidates, and the faults of what is refused already.
        new_id: makes UUIDv7.
        row: a candidate as it will be stored.
        key: the idempotency key of the call.
        pointer: where in the body an item stands.
    """

    tenant: UUID
    items: Sequence[Item]
    new_id: Callable[[], UUID]
    row: MakeRow
    key: KeyUse | None
    pointer: Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What came of an order: nothing is stored unless `outcome` is `Accepted`.

    Attributes:
        outcome: None when no item was left to be stored.
        ids: for each item its task, new or existing; None where it is refused.
        existing: the places whose unique key another task has.
        rows: the new tasks.
        failed_parents: whether a parent had failed already, so that the scheduler has to decide.
    """

    items: list[Item]
    outcome: Acceptance | None
    ids: tuple[UUID | None, ...]
    existing: frozenset[int] = frozenset()
    rows: tuple[TaskRow, ...] = ()
    failed_parents: bool = False


@dataclass(slots=True, kw_only=True)
class _Draft:
    """An order while it is being worked out."""

    order: Order
    items: list[Item]
    places: list[int]
    known: dict[UUID, State] = field(default_factory=dict)
    holders: dict[str, UUID] = field(default_factory=dict)
    made: dict[int, UUID] = field(default_factory=dict)
    existing: dict[int, UUID] = field(default_factory=dict)

    @property
    def good(self) -> dict[int, Candidate]:
        """What is not refused, parents before their dependants."""
        items = ((place, self.items[place]) for place in self.places)
        return {place: item for place, item in items if isinstance(item, Candidate)}

    @property
    def ids(self) -> tuple[UUID | None, ...]:
        """For each item its task."""
        return tuple(self.task_at(place) for place in range(len(self.items)))

    def task_at(self, place: int) -> UUID | None:
        """Return the task of an item."""
        return self.made.get(place) or self.existing.get(place)


async def accept_linked(engine: Engine, order: Order) -> Placed:
    """Store what can be stored.

    Args:
        engine: the database.
        order: what to store.
    """
    for left in range(TRIES - 1, -1, -1):
        try:
            return await _accept(engine, order)
        except StoreError as error:
            if left == 0 or sqlstate(error) not in _REPEATED:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


async def _accept(engine: Engine, order: Order) -> Placed:
    async with engine.connect() as connection, connection.begin() as transaction:
        draft = _Draft(order=order, items=list(order.items), places=sort(order.items))
        await _hold(connection, draft)
        _refuse(draft)
        _name(draft)
        if not draft.good:
            return Placed(items=draft.items, outcome=None, ids=draft.ids)
        good = draft.good
        dependencies = {place: _dependencies(draft, place, good[place]) for place in draft.made}
        rows = _rows(draft, dependencies, good)
        outcome = await _insert(connection, draft, rows)
        if not isinstance(outcome, Accepted):
            await transaction.rollback()
            return Placed(items=draft.items, outcome=outcome, ids=draft.ids)
        failed = await _link(connection, draft, [each for several in dependencies.values() for each in several])
    return Placed(
        items=draft.items,
        outcome=outcome,
        ids=draft.ids,
        existing=frozenset(draft.existing),
        rows=rows,
        failed_parents=failed,
    )


async def _hold(connection: Connection, draft: _Draft) -> None:
    """Hold the unique keys, then the parents outside of the batch and the tasks that have the keys."""
    good, tenant = draft.good.values(), draft.order.tenant
    keys = sorted({candidate.spec.unique_key for candidate in good if candidate.spec.unique_key is not None})
    holders = await queries.unique_hold(connection, tenant, keys) if keys else {}
    wanted = {parent for candidate in good for parent in candidate.spec.depends_on if isinstance(parent, UUID)}
    wanted |= set(holders.values())
    if wanted:
        draft.known = await queries.parents_hold(connection, tenant, sorted(wanted))
    # One that has ended between the two looks has its key no more.
    draft.holders = {key: task_id for key, task_id in holders.items() if draft.known.get(task_id) not in {*FINAL, None}}


def _refuse(draft: _Draft) -> None:
    """Refuse what depends on tasks that are not there."""
    for place, candidate in draft.good.items():
        if faults := unknown_parents(candidate, draft.known, pointer=draft.order.pointer(place)):
            draft.items[place] = faults
    draft.items = refuse_dependants(draft.items, draft.places)


def _name(draft: _Draft) -> None:
    """Give every item its task: the one that has its unique key, or a new one whose id is above its parents'."""
    good = draft.good
    ids = iter(sorted(draft.order.new_id() for _ in good))
    for place, candidate in good.items():
        key = candidate.spec.unique_key
        if key is not None and key in draft.holders:
            draft.existing[place] = draft.holders[key]
            continue
        draft.made[place] = next(ids)
        if key is not None:
            draft.holders[key] = draft.made[place]


def _dependencies(draft: _Draft, place: int, candidate: Candidate) -> list[Dependency]:
    spec = candidate.spec
    parents = [each if isinstance(each, UUID) else draft.task_at(each.index) for each in spec.depends_on]
    return [
        Dependency(
            task_id=draft.made[place],
            parent_id=parent,
            place=at,
            outcome=counts(draft.known.get(parent), spec.on_parent_failure),
        )
        for at, parent in enumerate(dict.fromkeys(parents))
        if parent is not None
    ]


def _rows(
    draft: _Draft, dependencies: Mapping[int, Sequence[Dependency]], good: Mapping[int, Candidate]
) -> tuple[TaskRow, ...]:
    rows = []
    awaited = {each.parent_id for several in dependencies.values() for each in several if each.outcome is None}
    for place, several in dependencies.items():
        row = draft.order.row(draft.made[place], good[place])
        pending = sum(each.outcome is None for each in several)
        rows.append(row._replace(pending_parents=pending, awaited=row.id in awaited))
    return tuple(rows)


async def _link(connection: Connection, draft: _Draft, dependencies: Sequence[Dependency]) -> bool:
    """Keep who depends on whom; return whether a parent has failed that the scheduler has to tell of."""
    if not dependencies:
        return False
    held = sorted({each.parent_id for each in dependencies if each.outcome is None} & draft.known.keys())
    await queries.parents_await(connection, held)
    await queries.dependencies_insert(connection, dependencies)
    return any(draft.known[parent] in FINAL for parent in held)


def counts(state: State | None, on_parent_failure: str) -> State | None:
    """Return a parent's state if it counts already at the submit: nobody will tell of it any more.

    A parent that has failed counts only for who runs all the same; the others are left to the scheduler.
    """
    if state is None or state not in FINAL:
        return None
    return state if state is State.COMPLETE or on_parent_failure == "run" else None


async def _insert(connection: Connection, draft: _Draft, rows: tuple[TaskRow, ...]) -> Acceptance:
    key, ids = draft.order.key, draft.ids
    if rows:
        [outcome] = await queries.tasks_accept(connection, [Submission(rows=rows, key=key, places=ids)])
        return outcome
    now = await queries.clock_read(connection)
    return Accepted(now) if key is None else await queries.idempotency_keep(connection, key, ids=ids, accepted_at=now)
