"""What can be done to a cluster. Each fault is injected, lasts, and is healed."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests.chaos.cluster import Cluster
from tests.chaos.proxy import Proxy
from tests.support import wait_until

Fault = Callable[[Cluster, str], AbstractAsyncContextManager[None]]
"""Breaks something while the block runs; leaving the block heals it."""

_RESTART = 60.0  # seconds until the supervisor must have started a process again


class DidNotHappen(Exception):
    """A fault found nothing to break."""


@asynccontextmanager
async def killed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End a process by SIGKILL; the supervisor starts it again."""
    await _ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def stopped(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End a process by SIGTERM: it finishes what it holds."""
    await _ended(cluster, target, signal.SIGTERM)
    yield


@asynccontextmanager
async def crashed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End PostgreSQL by SIGQUIT, its immediate shutdown: no checkpoint, and recovery at the start."""
    await _ended(cluster, target, signal.SIGQUIT)
    yield


@asynccontextmanager
async def all_killed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End several processes in the same moment: every executor, or everything with both servers."""
    names = [name for name in cluster.shape.services if target == "everything" or name.startswith("executor")]
    ends = [_ended(cluster, name, signal.SIGKILL) for name in names]
    if target == "everything":
        ends += [_ended(cluster, "valkey", signal.SIGKILL), _ended(cluster, "postgres", signal.SIGQUIT)]
    await asyncio.gather(*ends)
    yield


async def _ended(cluster: Cluster, target: str, number: signal.Signals) -> None:
    before = cluster.pid(target)
    cluster.send(target, number)
    await wait_until(lambda: cluster.pid(target) != before, timeout=_RESTART, what=f"{target} to be started again")


@asynccontextmanager
async def frozen(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Stop a process and its children in their tracks, as a machine that sleeps does."""
    cluster.send_group(target, signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.send_group(target, signal.SIGCONT)


@asynccontextmanager
async def childless(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill one child of an executor, as the kernel does when memory is short."""
    children = cluster.children(target)
    if not children:
        raise DidNotHappen(f"{target} has no children")
    os.kill(children[0], signal.SIGKILL)
    yield


@asynccontextmanager
async def disconnected(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End every session of the services in PostgreSQL."""
    assert target == "postgres"
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tidewheel-%'"
        )
    finally:
        await connection.close()
    yield


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
        await wait_until(lambda: _fed(cluster), timeout=_RESTART, what="valkey to be given its memory again")


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
    await _ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def truncated_on_disk(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Kill Valkey and let it start with the first half of what it had written."""
    for path in cluster.valkey_files.glob("*.incr.aof"):
        os.truncate(path, path.stat().st_size // 2)
    await _ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def cut(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Refuse and drop a link's connections."""
    link = cluster.links[target]
    await link.cut()
    try:
        yield
    finally:
        await link.heal()


@asynccontextmanager
async def reset(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Drop a link's connections once."""
    cluster.links[target].reset()
    yield


@asynccontextmanager
async def muted(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """One-sided: requests pass, answers vanish."""
    async with _toxic(cluster, target) as link:
        link.toxics.mute_answers = True
        yield


@asynccontextmanager
async def silenced(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Let everything vanish on a link, without a sign."""
    async with _toxic(cluster, target) as link:
        link.toxics.mute_answers = link.toxics.mute_requests = True
        yield


@asynccontextmanager
async def unanswered(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Let requests through and cut the connection when the answer comes."""
    async with _toxic(cluster, target) as link:
        link.toxics.unanswered = 5
        yield


@asynccontextmanager
async def slowed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Add 200 ms each way."""
    async with _toxic(cluster, target) as link:
        link.toxics.latency = 0.2
        yield


@asynccontextmanager
async def _toxic(cluster: Cluster, target: str) -> AsyncIterator[Proxy]:
    link = cluster.links[target]
    try:
        yield link
    finally:
        await link.heal()
