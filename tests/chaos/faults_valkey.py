"""What can be done to Valkey. Each fault is injected, lasts, and is healed."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests.chaos.cluster import Cluster
from tests.chaos.faults import RESTART, ended
from tests.support import wait_until

from tidewheel_cli.embedded.ports import LOOPBACK


@asynccontextmanager
async def emptied(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """FLUSHALL."""
    assert target == "valkey"
    async with Redis.from_url(cluster.redis_url) as redis:
        await redis.flushall()
    yield


@asynccontextmanager
async def ungrouped(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Destroy every consumer group."""
    assert target == "valkey"
    async with Redis.from_url(cluster.redis_url) as redis:
        async for key in redis.scan_iter(match="tidewheel:*", _type="stream"):
            for group in await redis.xinfo_groups(key):
                await redis.xgroup_destroy(key, group["name"])
    yield


@asynccontextmanager
async def starved(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Leave Valkey no memory: it refuses whatever would take more."""
    assert target == "valkey"
    async with Redis.from_url(cluster.redis_url) as redis:
        await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await wait_until(lambda: _fed(cluster), timeout=RESTART, what="valkey to be given its memory again")


async def _fed(cluster: Cluster) -> bool:
    try:
        async with Redis.from_url(cluster.redis_url) as redis:
            return bool(await redis.config_set("maxmemory", 0))
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def emptied_on_disk(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill Valkey and let it start without its files."""
    shutil.rmtree(cluster.valkey_files, ignore_errors=True)
    await ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def truncated_on_disk(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill Valkey and let it start with the first half of what it had written."""
    for path in cluster.valkey_files.glob("*.incr.aof"):
        os.truncate(path, path.stat().st_size // 2)
    await ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def failed_over(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill Valkey while a replica follows it, and let the replica take over with what it has got."""
    assert target == "valkey"
    primary = cluster.stores[cluster.primary]
    async with Redis.from_url(primary.url) as server:
        await server.config_set("repl-diskless-sync-delay", 0)  # no other replica is worth waiting for
    async with await _spare(cluster) as spare:
        await spare.config_set("masterauth", urlsplit(primary.url).password or "")
        await spare.replicaof(LOOPBACK, primary.port)
        await wait_until(lambda: _follows(spare), timeout=RESTART, what="the replica to follow")
        cluster.send("valkey", signal.SIGKILL)
        await spare.replicaof("NO", "ONE")
    cluster.take_over()
    yield


@asynccontextmanager
async def failed_over_empty(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill Valkey and let a server take over that has got nothing."""
    assert target == "valkey"
    async with await _spare(cluster):
        cluster.send("valkey", signal.SIGKILL)
    cluster.take_over()
    yield


async def _spare(cluster: Cluster) -> Redis:
    """Return a client of the spare, which is empty and follows nobody."""
    spare: Redis = Redis.from_url(cluster.stores[cluster.spare].url)
    await wait_until(lambda: _answers(spare), timeout=RESTART, what="the spare Valkey to answer")
    await spare.replicaof("NO", "ONE")
    await spare.flushall()
    return spare


async def _answers(server: Redis) -> bool:
    try:
        return bool(await server.ping())
    except (RedisError, OSError):
        return False


async def _follows(replica: Redis) -> bool:
    found = await replica.info("replication")
    return found.get("master_link_status") == "up"
