"""Streams and wake-ups on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.exceptions import RedisError
from tests.support import wait_until

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.bundle import FIELD, Bundle, read_bundles
from tidewheel_common.streams.bundle_sizes import FORGOTTEN_AFTER, read_bundle_sizes, tell_bundle_sizes
from tidewheel_common.streams.client import Redis, open_redis
from tidewheel_common.streams.epoch import begin_epoch, finish_epoch, read_signature
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import BUNDLE_SIZES, GROUP, WAKE_DISPATCHER, WAKE_FINAL
from tidewheel_common.streams.stream import (
    EMPTY,
    Addressed,
    Line,
    depths,
    ensure_groups,
    hints_in,
    in_flight,
    known_queues,
    push,
    unread_hints,
)
from tidewheel_common.streams.wake import Listener, Speaker

LINE = Line("mail", Priority.HIGH)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url, client_name="test")
    yield client
    await client.aclose()


def hints(count: int, line: Line = LINE) -> list[Addressed]:
    return [Addressed(line, Hint(task_id=uuid4(), attempt=n, handler="demo.echo")) for n in range(count)]


async def read(redis: Redis, count: int) -> list[bytes]:
    reply: Any = await redis.xreadgroup(GROUP, "executor", {LINE.key: ">"}, count=count)
    return [entry_id for _, entries in reply for entry_id, _ in entries]


async def test_a_hint_comes_out_as_it_went_in(redis: Redis) -> None:
    full = Hint(task_id=uuid4(), attempt=7, handler="a.b", timeout=0.1, lost=2, traceparent="00-ab")
    bare = Hint(task_id=uuid4(), attempt=0, handler="ü")
    await push(redis, [Addressed(LINE, full), Addressed(LINE, bare)])
    entries: Any = await redis.xrange(LINE.key)
    assert read_bundles(fields[FIELD].decode() for _, fields in entries) == [full, bare]
    assert await known_queues(redis) == ["mail"]


async def test_nothing_to_push_is_nothing_written(redis: Redis) -> None:
    await push(redis, [])
    assert await redis.dbsize() == 0


async def test_a_group_that_is_made_late_still_sees_what_was_pushed_before(redis: Redis) -> None:
    await push(redis, hints(3))
    await ensure_groups(redis, ["mail"])
    await ensure_groups(redis, ["mail"])
    assert len(await read(redis, 10)) == 3


async def test_a_depth_tells_what_is_unread_from_what_is_in_flight(redis: Redis) -> None:
    low = Line("mail", Priority.LOW)
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(5))
    ids = await read(redis, 3)
    found = await depths(redis, [LINE, low, Line("nobody's", Priority.LOW)])
    assert (found[LINE].unread, found[LINE].entries) == (2, 5)
    assert await in_flight(redis, [LINE, low]) == {LINE: 3, low: 0}
    assert await in_flight(redis, [Line("nobody's", Priority.LOW)]) == {Line("nobody's", Priority.LOW): 0}
    assert found[LINE].last_read == ids[-1]
    assert (found[low].entries, found[low].grouped) == (0, True)
    assert found[Line("nobody's", Priority.LOW)] == EMPTY
    await redis.xack(LINE.key, GROUP, ids[0])
    await redis.xdel(LINE.key, ids[0])
    assert await in_flight(redis, [LINE]) == {LINE: 2}


async def test_a_stream_without_a_group_is_all_unread(redis: Redis) -> None:
    await push(redis, hints(2))
    depth = (await depths(redis, [LINE]))[LINE]
    assert (depth.unread, depth.grouped) == (2, False)


async def test_unread_hints_are_found_over_many_pages_and_read_ones_are_not(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    pushed = hints(2_100)
    await push(redis, pushed)
    await read(redis, 100)
    depth = (await depths(redis, [LINE]))[LINE]
    expected = {(each.hint.task_id.hex, str(each.hint.attempt)) for each in pushed[100:]}
    assert await unread_hints(redis, LINE, depth) == expected


def many(_: str) -> int:
    return 40


async def test_hints_are_counted_and_not_the_entries_that_they_share(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(100), size_of=many)
    await push(redis, hints(7))
    assert await redis.xlen(LINE.key) == 3 + 7
    assert (await depths(redis, [LINE]))[LINE].unread == 107
    first, *_ = await read(redis, 2)
    assert (await depths(redis, [LINE]))[LINE].unread == 27
    assert await in_flight(redis, [LINE]) == {LINE: 80}
    await redis.xack(LINE.key, GROUP, first)
    await redis.xdel(LINE.key, first)
    assert await in_flight(redis, [LINE]) == {LINE: 40}
    assert await hints_in(redis, LINE) == 67
    await read(redis, 100)
    depth = (await depths(redis, [LINE]))[LINE]
    assert (depth.unread, depth.entries) == (0, 9)
    await push(redis, hints(50), size_of=many)
    assert (await depths(redis, [LINE]))[LINE].unread == 50


async def test_a_group_that_is_made_anew_finds_all_that_is_there_unread(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(100), size_of=many)
    for entry_id in await read(redis, 1):
        await redis.xack(LINE.key, GROUP, entry_id)
        await redis.xdel(LINE.key, entry_id)
    await redis.xgroup_destroy(LINE.key, GROUP)
    assert (await depths(redis, [LINE]))[LINE].unread == 60
    await ensure_groups(redis, ["mail"])
    assert (await depths(redis, [LINE]))[LINE].unread == 60


async def test_what_was_trimmed_unread_does_not_count_for_long(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(100), size_of=many)
    await redis.xtrim(LINE.key, maxlen=1, approximate=False)
    assert await hints_in(redis, LINE) == 20
    assert (await depths(redis, [LINE]))[LINE].unread == 20
    await redis.xtrim(LINE.key, maxlen=0, approximate=False)
    assert (await depths(redis, [LINE]))[LINE].unread == 0


async def test_entries_whose_ids_say_nothing_of_hints_count_until_they_are_read(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    for _ in range(3):
        await redis.xadd(LINE.key, {FIELD: Bundle.of([hints(1)[0].hint]).text})
    await push(redis, hints(100), size_of=many)
    assert (await depths(redis, [LINE]))[LINE].unread >= 100
    await read(redis, 3)
    assert (await depths(redis, [LINE]))[LINE].unread == 100


async def test_an_emptied_redis_never_gives_an_id_twice(redis: Redis) -> None:
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(1))
    old = await read(redis, 1)
    await redis.flushall()
    await ensure_groups(redis, ["mail"])
    await push(redis, hints(1))
    await redis.xack(LINE.key, GROUP, *old)
    assert await redis.xdel(LINE.key, *old) == 0


async def test_sizes_of_bundles_that_make_no_sense_are_left_aside(redis: Redis) -> None:
    await redis.hset(BUNDLE_SIZES, mapping={"a": "1000", "b": "many", "c": "-1"})
    assert await read_bundle_sizes(redis) == {"a": 100}


async def test_sizes_of_bundles_are_forgotten_when_nobody_repeats_them(redis: Redis) -> None:
    pipeline: Any = redis.pipeline(transaction=False)
    tell_bundle_sizes(pipeline, {})
    tell_bundle_sizes(pipeline, {"ü": 40, "other": 1})
    await pipeline.execute()
    assert await read_bundle_sizes(redis) == {"ü": 40, "other": 1}
    assert 0 < await redis.ttl(BUNDLE_SIZES) <= FORGOTTEN_AFTER


async def test_an_error_of_redis_is_raised_and_not_taken_for_an_empty_stream(redis: Redis) -> None:
    await redis.set(LINE.key, "not a stream")
    with pytest.raises(RedisError):
        await depths(redis, [LINE])
    with pytest.raises(RedisError):
        await ensure_groups(redis, ["mail"])


async def test_the_epoch_is_trusted_only_on_the_server_that_it_was_written_to(redis: Redis) -> None:
    first = await read_signature(redis)
    assert first.epoch is None
    assert not first.trusted
    await begin_epoch(redis)
    assert not (await read_signature(redis)).trusted
    assert await finish_epoch(redis, first)
    assert (await read_signature(redis)).trusted


async def test_wake_ups_reach_their_channel_with_their_words(redis: Redis) -> None:
    heard: list[tuple[str, str]] = []
    listener = Listener(
        redis,
        {
            WAKE_DISPATCHER: lambda message: heard.append(("dispatcher", message)),
            WAKE_FINAL: lambda message: heard.append(("final", message)),
        },
    )

    async def listen() -> None:
        while ("final", "a,b") not in heard:
            await listener.tick()

    listening = asyncio.create_task(listen())
    # Whoever begins to listen is told to look once: what was said before is not said again.
    await wait_until(lambda: len(heard) == 2, what="the first look")
    await wait_until(lambda: redis.pubsub_numsub(WAKE_FINAL), what="the subscription")
    speaker = Speaker(redis)
    speaker.say(WAKE_FINAL, "a", "b")
    await speaker.close()
    await asyncio.wait_for(listening, 10)
    await listener.close()
    assert heard[2:] == [("final", "a,b")]


async def test_a_speaker_without_redis_neither_fails_nor_delays_its_caller() -> None:
    away = open_redis("redis://127.0.0.1:1/0", client_name="test")
    speaker = Speaker(away)
    speaker.say(WAKE_DISPATCHER)
    await speaker.close()
    await away.aclose()


async def test_what_a_speaker_says_after_its_connection_was_cut_is_heard(redis: Redis, redis_url: str) -> None:
    heard: list[str] = []
    listener = Listener(redis, {WAKE_FINAL: heard.append})
    await listener.tick()
    own = open_redis(redis_url, client_name="speaker")
    speaker = Speaker(own)
    for word in ("before", "after"):
        speaker.say(WAKE_FINAL, word)
        await speaker.close()
        async with asyncio.timeout(10):
            while word not in heard:
                await listener.tick()
        for client in await redis.client_list():
            if client["name"] == "speaker":
                await redis.client_kill_filter(_id=client["id"])
    await own.aclose()
    await listener.close()
    assert heard == ["", "before", "after"]


async def test_what_a_speaker_may_not_say_costs_nothing_that_it_says_later(redis: Redis, redis_url: str) -> None:
    heard: list[str] = []
    listener = Listener(redis, {WAKE_FINAL: heard.append})
    await listener.tick()
    await redis.acl_setuser("muted", enabled=True, nopass=True, categories=["+@all"], channels=[WAKE_FINAL])
    own = open_redis(redis_url.replace("://", "://muted:any@"), client_name="muted")
    speaker = Speaker(own)
    for word in ("one", "two", "three"):
        speaker.say(WAKE_DISPATCHER)
        speaker.say(WAKE_FINAL, word)
        await speaker.close()
    async with asyncio.timeout(10):
        while "three" not in heard:
            await listener.tick()
    await own.aclose()
    await redis.acl_deluser("muted")
    await listener.close()
    assert heard == ["", "one", "two", "three"]
