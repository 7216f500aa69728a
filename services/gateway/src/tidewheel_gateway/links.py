"""Who depends on whom in what is submitted together: what is wrong with it, and in which order it is stored. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Sibling
from tidewheel_common.core.submission import Candidate

Item = Candidate | list[Fault]
"""A submission that is well formed, or what is wrong with it."""

LONGEST_NAMED = 20
"""Places of a cycle that are named."""


def check_single(candidate: Candidate) -> list[Fault]:
    """Return the faults of a task that is submitted alone: it has no siblings."""
    detail = "There is no batch to point into; name the parent by its id."
    return [
        Fault(code="no_batch", pointer=f"/depends_on/{place}", detail=detail)
        for place, parent in enumerate(candidate.spec.depends_on)
        if isinstance(parent, Sibling)
    ]


def check_batch(items: Sequence[Item]) -> list[Item]:
    """Refuse the items that point out of the batch, wait for each other, or depend on one that is refused."""
    if not any(map(_siblings, items)):
        return list(items)
    checked = [_within(item, place, len(items)) for place, item in enumerate(items)]
    order = sort(checked)
    for place, cycle in _cycles(checked, set(order)).items():
        named = [str(each) for each in cycle[:LONGEST_NAMED]]
        words = " -> ".join([*named, *(["…"] if len(named) < len(cycle) else []), str(cycle[0])])
        detail = f"These items wait for each other: {words}."
        checked[place] = [Fault(code="cycle", pointer=f"/tasks/{place}/depends_on", detail=detail)]
    return refuse_dependants(checked, order)


def refuse_dependants(items: Sequence[Item], order: Iterable[int]) -> list[Item]:
    """Refuse what depends on refused items; parents come before their dependants in `order`."""
    checked = list(items)
    for place in order:
        faults = [
            Fault(
                code="parent_refused",
                pointer=f"/tasks/{place}/depends_on/{at}",
                detail=f"Item {parent.index} is refused, so what depends on it is too.",
            )
            for at, parent in _siblings(checked[place])
            if isinstance(checked[parent.index], list)
        ]
        if faults:
            checked[place] = faults
    return checked


def sort(items: Sequence[Item]) -> list[int]:
    """Return the places of the items, parents before their dependants; those on or behind a cycle are left out."""
    missing = [len({parent.index for _, parent in _siblings(item)}) for item in items]
    dependants: list[list[int]] = [[] for _ in items]
    for place, item in enumerate(items):
        for index in {parent.index for _, parent in _siblings(item)}:
            dependants[index].append(place)
    order = [place for place, count in enumerate(missing) if count == 0]
    for place in order:  # grows on the way
        for dependant in dependants[place]:
            missing[dependant] -= 1
            if missing[dependant] == 0:
                order.append(dependant)
    return order


def unknown_parents(candidate: Candidate, known: Mapping[UUID, object], *, pointer: str = "") -> list[Fault]:
    """Return the faults of a task that depends on tasks that are not there, or not its tenant's."""
    detail = "There is no such task of yours; it may have been removed."
    return [
        Fault(code="unknown_parent", pointer=f"{pointer}/depends_on/{at}", detail=detail)
        for at, parent in enumerate(candidate.spec.depends_on)
        if isinstance(parent, UUID) and parent not in known
    ]


def _siblings(item: Item) -> list[tuple[int, Sibling]]:
    if isinstance(item, list) or not item.spec.depends_on:
        return []
    return [(at, parent) for at, parent in enumerate(item.spec.depends_on) if isinstance(parent, Sibling)]


def _within(item: Item, place: int, count: int) -> Item:
    faults = [
        Fault(
            code="unknown_index",
            pointer=f"/tasks/{place}/depends_on/{at}",
            detail=f"The batch has no item {parent.index}; its items are numbered from 0 to {count - 1}.",
        )
        for at, parent in _siblings(item)
        if parent.index >= count
    ]
    return faults or item


def _cycles(items: Sequence[Item], sorted_out: set[int]) -> dict[int, list[int]]:
    """Return, for each item that no order has a place for, a cycle that it is on or leads to."""
    left = [place for place in range(len(items)) if place not in sorted_out]
    above = {
        place: next(parent.index for _, parent in _siblings(items[place]) if parent.index not in sorted_out)
        for place in left
    }
    found: dict[int, list[int]] = {}
    for start in left:
        path: dict[int, int] = {}
        place = start
        while place not in path and place not in found:
            path[place] = len(path)
            place = above[place]
        cycle = found.get(place) or list(path)[path[place] :]
        found.update(dict.fromkeys(path, cycle))
    return found
