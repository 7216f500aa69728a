"""How the tasks that one tick may move are shared between lines, and what a tick's outcome says of the next."""

from collections.abc import Iterable, Mapping, Sequence

from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher.queries import Grant, ReadyLine

ROOM_PAUSE = 0.05
"""Seconds to wait for room when more is due than there is room for. Even the smallest window lasts about as long."""


def urgent_first(ready: Iterable[ReadyLine]) -> list[Line]:
    """Return the lines that have something due: high before medium before low, then the longest wait first."""
    due = [(each.line.priority, -each.due_for, each.line) for each in ready if each.due_for is not None]
    return [line for _, _, line in sorted(due)]


def share(rooms: Mapping[Line, int], budget: int, *, among: int) -> list[Grant]:
    """Return how many tasks of each line may move, in the order of the lines; no queue may take all from the others.

    Args:
        rooms: how many tasks of each line there is room for.
        budget: how many tasks may move in all.
        among: how many queues have something due, as far as is known.
    """
    fair = max(1, budget // max(1, among))
    return [Grant(line, min(room, fair)) for line, room in rooms.items() if room > 0]


def crowded(rooms: Mapping[Line, int], moved: Mapping[Line, int]) -> set[str]:
    """Return the queues that may have more to push than they have room for."""
    return {line.queue for line, room in rooms.items() if moved.get(line, 0) >= room}


def cut_short(rooms: Mapping[Line, int], grants: Sequence[Grant], moved: Mapping[Line, int], budget: int) -> set[str]:
    """Return the queues that may have more to push, and room for it, because the tick would have moved too much."""
    if sum(moved.values()) >= budget:
        return {grant.line.queue for grant in grants}
    return {grant.line.queue for grant in grants if moved[grant.line] == grant.room < rooms[grant.line]}
