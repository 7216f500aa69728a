"""Keeps queues within their limits, however many dispatchers there are: who holds a queue's row counts and marks."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Protocol

from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.queries import Dispatch


class Mark(Protocol):
    """Marks tasks as queued."""

    async def __call__(
        self, connection: Connection, rooms: Mapping[Line, int], *, minded: Collection[str], keyed: bool
    ) -> Dispatch:
        """Mark within rooms; those of the queues that are minded are within their limits."""
        ...


async def mark_within_limits(
    engine: Engine, rooms: Mapping[Line, int], limited: Collection[str], mark: Mark, *, keyed: bool
) -> tuple[Dispatch, dict[Line, int]]:
    """Mark tasks as queued, and return what was marked and the rooms that there really were.

    The rows of the limited queues are held first and the tasks counted after, in a younger snapshot: so nobody else's
    marks are missed.

    Args:
        engine: the database.
        rooms: what the windows leave for each line, the most urgent line first.
        limited: the queues whose tasks are counted.
        mark: marks within the rooms that it is given; tasks with a concurrency key only when it is told to.
        keyed: whether there are tasks with a concurrency key.
    """
    async with engine.begin() as connection:
        turn = keyed and await queries.keys_turn(connection)
        valves, now = await queries.queues_hold(connection, sorted(limited))
        in_flight = await queries.queues_in_flight(connection, sorted(valves))
        allowances: dict[str, int | None] = dict.fromkeys(limited, 0)  # what somebody else holds waits
        if now is not None:
            allowances |= {name: valve.allowance(now, in_flight.get(name, 0)) for name, valve in valves.items()}
        allowed = narrow(rooms, allowances)
        dispatch = await mark(connection, allowed, minded=limited, keyed=turn)
        if now is not None:
            sent = Counter(task.queued.line.queue for task in dispatch.queued)
            saved = {valve.name: valve.saved(now) for valve in valves.values()}
            left = {name: tokens - sent[name] for name, tokens in saved.items() if tokens is not None}
            await queries.queues_spend(connection, left, now)
    return dispatch, allowed


def narrow(rooms: Mapping[Line, int], allowances: Mapping[str, int | None]) -> dict[Line, int]:
    """Return the rooms within what each queue may send in all; its more urgent lines come first."""
    left = dict(allowances)
    allowed = {}
    for line, room in rooms.items():
        allowance = left.get(line.queue)
        allowed[line] = room if allowance is None else min(room, allowance)
        if allowance is not None:
            left[line.queue] = allowance - allowed[line]
    return allowed
