"""The gateway hears of final tasks while somebody waits for one, and only then."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from redis.asyncio import Redis
from tests.gateway import serving
from tests.support import wait_until

from tidewheel_common.streams.keys import WAKE_FINAL
from tidewheel_gateway.app import Sources
from tidewheel_gateway.finals import Finals
from tidewheel_gateway.routes import tasks as routes
from tidewheel_gateway.wakeups import LINGER, Wakeups

TASK = UUID(int=7)


class Ear:
    """What hears, with a clock that a test sets."""

    def __init__(self, redis_url: str) -> None:
        self.now = 100.0
        self.stop = asyncio.Event()
        self.finals = Finals()
        self.wakeups = Wakeups(redis_url, self.finals, monotonic=lambda: self.now)

    async def listen(self) -> float | None:
        return await self.wakeups.listen(self.stop)

    async def listen_on(self) -> None:
        """Tick until there is nothing to hear."""
        while await self.listen() is not None:
            continue


@pytest.fixture
async def ear(redis_url: str) -> AsyncIterator[Ear]:
    made = Ear(redis_url)
    yield made
    await made.wakeups.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def _ears(redis: Redis) -> int:
    ((_, count),) = await redis.pubsub_numsub(WAKE_FINAL)
    return int(count)


async def test_nobody_listens_while_nobody_waits(ear: Ear, redis: Redis) -> None:
    assert await ear.listen() is None
    assert await _ears(redis) == 0


async def test_the_first_who_waits_looks_again_once_there_is_a_subscription(ear: Ear, redis: Redis) -> None:
    with ear.finals.expect(TASK) as heard:
        assert ear.finals.wanted.is_set()
        listening = asyncio.create_task(ear.listen_on())
        async with asyncio.timeout(10):
            await heard.wait()
        heard.clear()
        await wait_until(lambda: redis.publish(WAKE_FINAL, TASK.hex), what="a listener")
        async with asyncio.timeout(10):
            await heard.wait()
    ear.now += LINGER
    await asyncio.wait_for(listening, 10)


async def test_it_goes_on_for_a_while_when_nobody_waits_any_more_and_then_leaves(ear: Ear, redis: Redis) -> None:
    with ear.finals.expect(TASK):
        await ear.listen()
        await wait_until(lambda: _ears(redis), what="the subscription")
    ear.now += LINGER - 0.1
    assert await ear.listen() == 0.0
    assert await _ears(redis) == 1
    ear.now += 0.1
    assert await ear.listen() is None
    await wait_until(lambda: _silent(redis), what="the end of the subscription")


async def _silent(redis: Redis) -> bool:
    return await _ears(redis) == 0


async def test_whoever_waits_in_the_meantime_makes_it_stay(ear: Ear, redis: Redis) -> None:
    for _ in range(3):
        with ear.finals.expect(TASK):
            assert await ear.listen() == 0.0
        ear.now += LINGER - 0.1
    assert await ear.listen() == 0.0
    assert await _ears(redis) == 1


async def test_joining_and_leaving_again_and_again_keeps_no_connections(ear: Ear, redis: Redis) -> None:
    before = len(await redis.client_list())
    for _ in range(12):  # more than the pool holds
        with ear.finals.expect(TASK) as heard:
            listening = asyncio.create_task(ear.listen())
            async with asyncio.timeout(10):
                await heard.wait()
            await wait_until(lambda: redis.publish(WAKE_FINAL, TASK.hex), what="a listener")
            await listening
        ear.now += LINGER
        assert await ear.listen() is None

    async def few() -> bool:
        return len(await redis.client_list()) <= before + 1

    await wait_until(few, what="the end of the connections")


async def test_a_redis_that_is_away_leaves_nothing_behind(ear: Ear, redis: Redis) -> None:
    with ear.finals.expect(TASK):
        listening = asyncio.create_task(ear.listen())
        await wait_until(lambda: _ears(redis), what="the subscription")
        await redis.client_kill_filter(_type="pubsub")
        await asyncio.wait({listening}, timeout=10)
    ear.now += LINGER
    assert await ear.listen() is None
    with ear.finals.expect(TASK) as heard:
        listening = asyncio.create_task(ear.listen())
        async with asyncio.timeout(10):
            await heard.wait()
        await asyncio.wait({listening}, timeout=10)
        assert listening.exception() is None


async def test_a_gateway_joins_for_the_first_who_waits_and_leaves_after_the_last(
    database_url: str, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_LOOK_AGAIN", 30.0)
    now = 100.0
    async with serving(database_url, redis_url, sources=Sources(jitter=lambda: 0.0, monotonic=lambda: now)) as gateway:
        assert await _ears(redis) == 0
        task = await gateway.submit()
        waiting = asyncio.create_task(gateway.http.get(f"/v1/tasks/{task['id']}", params={"wait": 20}))
        await wait_until(lambda: _ears(redis), what="the subscription")
        await gateway.place(task["id"], "complete")
        await redis.publish(WAKE_FINAL, UUID(task["id"]).hex)
        assert (await asyncio.wait_for(waiting, 10)).json()["state"] == "complete"
        now += LINGER
        await wait_until(lambda: _silent(redis), what="the end of the subscription")
