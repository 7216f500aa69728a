"""Tells gateways which queues are open: what is new in them goes straight to its stream, and never comes by here."""

from collections.abc import Collection

from tidewheel_common.streams.client import TRANSIENT, Redis, refuses_writes
from tidewheel_common.streams.open_queues import OpenQueues, tell_open_queues
from tidewheel_dispatcher.rooms import Rooms
from tidewheel_dispatcher.served import Served
from tidewheel_dispatcher.window import FIRST


async def tell_openings(redis: Redis, served: Served, rooms: Rooms, *, closed: Collection[str]) -> None:
    """Say what is served, how large the windows are, and which queues are closed; or nothing, to a Redis that is full.

    Raises:
        RedisError: Redis does not answer.
    """
    opened = OpenQueues(
        served={queue: served.handlers(queue) for queue in served.queues},
        windows=rooms.windows,
        window=FIRST,
        closed=frozenset(closed),
    )
    try:
        await tell_open_queues(redis, opened)
    except TRANSIENT as error:
        if not refuses_writes(error):
            raise
