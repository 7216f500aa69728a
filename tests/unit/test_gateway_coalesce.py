"""The coalescer: what arrives during a flight flies together, and nobody pays for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.support import wait_until

from tidewheel_gateway.coalesce import Coalescer, Full


class Sky:
    """Lets flights land one at a time, when the test says so."""

    def __init__(self) -> None:
        self.flights: list[list[str]] = []
        self.landed = asyncio.Event()
        self.landed.set()

    async def fly(self, items: Sequence[str]) -> list[str]:
        self.flights.append(list(items))
        await self.landed.wait()
        if "bad" in items:
            raise ValueError("bad")
        if "away" in items:
            raise ConnectionError("away")
        return [item.upper() for item in items]


@pytest.fixture
async def sky() -> Sky:
    return Sky()


def coalescer(sky: Sky, *, flight: int = 10, room: int = 100, gather: float = 60.0) -> Coalescer[str, str]:
    return Coalescer(
        sky.fly,
        weigh=len,
        shared=lambda error: isinstance(error, ConnectionError),
        flight=flight,
        room=room,
        gather=gather,
    )


async def test_a_lone_item_flies_at_once(sky: Sky) -> None:
    assert await coalescer(sky).submit("a") == "A"
    assert sky.flights == [["a"]]


async def test_what_arrives_during_a_flight_flies_together_in_its_order(sky: Sky) -> None:
    gathered = coalescer(sky)
    sky.landed.clear()
    first = asyncio.create_task(gathered.submit("a"))
    await wait_until(lambda: sky.flights == [["a"]])
    rest = [asyncio.create_task(gathered.submit(item)) for item in "bcd"]
    await asyncio.sleep(0)
    sky.landed.set()

    assert await asyncio.gather(first, *rest) == ["A", "B", "C", "D"]
    assert sky.flights == [["a"], ["b", "c", "d"]]


async def test_those_who_were_answered_together_are_waited_for(sky: Sky) -> None:
    gathered = coalescer(sky)
    await asyncio.gather(*(gathered.submit(item) for item in "abcd"))

    back = [asyncio.create_task(gathered.submit(item)) for item in "efg"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert sky.flights == [["a", "b", "c", "d"]]
    last = asyncio.create_task(gathered.submit("h"))

    assert await asyncio.gather(*back, last) == ["E", "F", "G", "H"]
    assert sky.flights == [["a", "b", "c", "d"], ["e", "f", "g", "h"]]


async def test_a_flight_that_is_full_waits_for_nobody(sky: Sky) -> None:
    gathered = coalescer(sky)
    await asyncio.gather(*(gathered.submit(item) for item in "abcd"))

    async with asyncio.timeout(10):
        assert await asyncio.gather(*(gathered.submit(item) for item in ["e" * 9, "f"])) == ["E" * 9, "F"]


async def test_nobody_is_waited_for_longer_than_a_moment(sky: Sky) -> None:
    gathered = coalescer(sky, gather=0.001)
    await asyncio.gather(*(gathered.submit(item) for item in "abcd"))

    assert await asyncio.wait_for(gathered.submit("e"), 10) == "E"


async def test_after_a_small_flight_the_next_starts_at_once(sky: Sky) -> None:
    gathered = coalescer(sky)
    await asyncio.gather(*(gathered.submit(item) for item in "abc"))

    assert await asyncio.wait_for(gathered.submit("d"), 10) == "D"


async def test_a_flight_carries_no_more_than_it_may_and_a_heavy_item_flies_alone(sky: Sky) -> None:
    gathered = coalescer(sky, flight=3)

    await asyncio.gather(*(gathered.submit(item) for item in ["aa", "b", "cc", "dddd", "e"]))

    assert sky.flights == [["aa", "b"], ["cc"], ["dddd"], ["e"]]


async def test_a_bad_item_flies_again_alone_and_so_do_its_neighbours(sky: Sky) -> None:
    gathered = coalescer(sky)

    outcomes = await asyncio.gather(*(gathered.submit(item) for item in ["a", "bad", "c"]), return_exceptions=True)

    assert [outcomes[0], outcomes[2]] == ["A", "C"]
    assert isinstance(outcomes[1], ValueError)
    assert sky.flights == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


async def test_a_lost_connection_is_everybodys_and_is_not_tried_again(sky: Sky) -> None:
    gathered = coalescer(sky)

    outcomes = await asyncio.gather(*(gathered.submit(item) for item in ["a", "away"]), return_exceptions=True)

    assert all(isinstance(outcome, ConnectionError) for outcome in outcomes)
    assert sky.flights == [["a", "away"]]
    assert await gathered.submit("b") == "B"


async def test_more_than_there_is_room_for_is_refused_until_some_has_landed(sky: Sky) -> None:
    gathered = coalescer(sky, room=5)
    sky.landed.clear()
    held = [asyncio.create_task(gathered.submit(item)) for item in ["aaa", "bb"]]
    await wait_until(lambda: bool(sky.flights))

    with pytest.raises(Full):
        await gathered.submit("c")
    sky.landed.set()
    await asyncio.gather(*held)

    assert await gathered.submit("c") == "C"
    assert await gathered.submit("larger than all the room") == "LARGER THAN ALL THE ROOM"


async def test_whoever_stops_waiting_harms_nobody(sky: Sky) -> None:
    gathered = coalescer(sky)
    sky.landed.clear()
    gone, stays = (asyncio.create_task(gathered.submit(item)) for item in "ab")
    await wait_until(lambda: bool(sky.flights))
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    sky.landed.set()

    assert await stays == "B"
    assert await gathered.submit("c") == "C"


async def test_a_flight_that_is_cut_off_leaves_nobody_waiting(sky: Sky) -> None:
    gathered = coalescer(sky, flight=1)
    sky.landed.clear()
    waiting = [asyncio.create_task(gathered.submit(item)) for item in "ab"]
    await wait_until(lambda: bool(sky.flights))
    assert gathered._pilot is not None
    gathered._pilot.cancel()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
