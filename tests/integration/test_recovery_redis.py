"""Redis is full, a replica, emptied, cut short or new: tasks wait in PostgreSQL meanwhile, and nobody has to help."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from tests.integration.dispatcher_rig import Rig, ago, opened_rig
from tests.integration.recovery_rig import Cluster, cluster
from tests.support import wait_until

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.client import TRANSIENT, open_redis, refuses_writes
from tidewheel_common.streams.client import Redis as AsyncRedis
from tidewheel_common.streams.keys import GROUP, WAKE_FINAL, stream_key
from tidewheel_common.streams.wake import MOST_WORDS, Speaker
from tidewheel_executor.transport.entry import Entry, read_entry
from tidewheel_executor.transport.streams import TaskStreams

RECOVERED = 10.0
"""Seconds from Redis' return until everything flows."""

STREAM = stream_key("default", Priority.MEDIUM)


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        await opened.executor("demo.echo")
        await opened.settle()
        yield opened


def _command(kind: str, *, begin: bool) -> tuple[str, ...]:
    match kind, begin:
        case "full", _:
            return ("CONFIG", "SET", "maxmemory", "1" if begin else "0")
        case _, True:
            return ("REPLICAOF", "127.0.0.1", "1")
        case _:
            return ("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("kind", ["full", "replica"])
async def test_a_redis_that_takes_no_writes_is_waited_for(kind: str, tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    async with cluster(tmp_path) as made:
        await made.submit(count=50)
        await made.until_states(complete=50)
        await made.redis.execute_command(*_command(kind, begin=True))  # type: ignore[no-untyped-call]  # redis-py
        await made.submit(count=200)
        await wait_until(lambda: _refused(made), timeout=15, what="the refusal")
        await made.start("executor-second")  # whoever starts now waits too
        states = await made.states()

        await made.redis.execute_command(*_command(kind, begin=False))  # type: ignore[no-untyped-call]  # redis-py
        healed = time.monotonic()
        await made.until_states(complete=250, timeout=RECOVERED)

        assert states["complete"] == 50  # the rest waits in PostgreSQL
        assert time.monotonic() - healed < RECOVERED
        assert made.dead() == []
        assert made.complaints() == []
        said = Counter(line["event"] for line in made.lines(["dispatcher"]))
        assert said["loop backs off"] <= 2
        assert said["hints refused"] <= 2


def _refused(made: Cluster) -> bool:
    return any(line["event"] == "hints refused" for line in made.lines(["dispatcher"]))


async def test_everything_heals_when_redis_comes_back_empty(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    async with cluster(tmp_path) as made:
        await made.submit(count=50)
        await made.until_states(complete=50)
        await made.submit(count=500)
        await made.valkey.off()
        await made.submit(count=50)
        await made.valkey.on()
        back = time.monotonic()
        await made.until_states(complete=600, timeout=RECOVERED)

        assert time.monotonic() - back < RECOVERED
        assert made.dead() == []
        assert made.complaints() == []


async def test_a_lost_group_and_a_stream_that_was_cut_short_heal(rig: Rig) -> None:
    ids = await rig.tasks(6)
    await rig.relay.tick()
    await rig.redis.xgroup_destroy(STREAM, GROUP)
    ids += await rig.tasks(1)
    await rig.relayed()  # the look makes the group anew, from the first entry on
    assert len(await rig.read(100)) == len(ids)

    await rig.redis.delete(STREAM)
    for task_id in ids:
        await rig.set(task_id, queued_at=ago(4))
    await rig.settle()
    assert await rig.states() == {"ready": len(ids)}


async def test_what_a_full_redis_does_not_take_back_stays_pending(rig: Rig, redis_url: str) -> None:
    await rig.tasks(1)
    await rig.relay.tick()
    reply: Any = await rig.redis.xreadgroup(GROUP, "me", {STREAM: ">"})
    ((entry_id, fields),) = reply[0][1]
    entry = read_entry(STREAM, entry_id, fields)
    assert isinstance(entry, Entry)
    await rig.redis.config_set("maxmemory", "1")
    try:
        with Redis.from_url(redis_url) as redis:
            given = TaskStreams(redis, consumer="me").give_back([entry])
    finally:
        await rig.redis.config_set("maxmemory", "0")
    pending: Any = await rig.redis.xpending(STREAM, GROUP)

    assert given == 0
    assert pending["pending"] == 1


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (OutOfMemoryError("command not allowed"), True),
        (ReadOnlyError("You can't write"), True),
        (ResponseError("MISCONF Redis is configured to save"), True),
        (ResponseError("NOREPLICAS Not enough good replicas"), True),
        (ResponseError("WRONGTYPE Operation against a key"), False),
        (ConnectionResetError(), False),
    ],
)
def test_a_refusal_is_told_from_a_mistake(error: Exception, refused: bool) -> None:
    assert refuses_writes(error) is refused


@pytest.fixture
async def silent_redis() -> AsyncIterator[AsyncRedis]:
    """A client of a server that takes every connection and never answers."""
    silence = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = open_redis(f"redis://127.0.0.1:{port}/0", client_name="test", timeout=0.1)
    yield redis
    silence.set()
    await redis.aclose()
    server.close()


async def test_a_redis_that_says_nothing_counts_as_lost_and_holds_nobody_up(silent_redis: AsyncRedis) -> None:
    speaker = Speaker(silent_redis)
    for _ in range(3):
        speaker.say(WAKE_FINAL, *map(str, range(MOST_WORDS)))

    with pytest.raises(TRANSIENT):
        await silent_redis.ping()
    assert len(speaker._pending.get(WAKE_FINAL, ())) <= MOST_WORDS
    async with asyncio.timeout(5):
        await speaker.close()


async def test_who_gave_up_waiting_for_a_wake_up_is_not_cancelled_the_next_time(silent_redis: AsyncRedis) -> None:
    speaker = Speaker(silent_redis)
    speaker.say(WAKE_FINAL)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await speaker.close()

    await speaker.close()
