"""What can be done to processes, their clocks and their links. Each fault is injected, lasts, and is healed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.chaos.cluster import Cluster
from tests.chaos.proxy import Proxy
from tests.support import wait_until

Fault = Callable[[Cluster, str], AbstractAsyncContextManager[None]]
"""Breaks something while the block runs; leaving the block heals it."""

RESTART = 60.0
"""Seconds until the supervisor must have started a process again."""

HOUR = 3600


class DidNotHappen(Exception):
    """A fault found nothing to break."""


@asynccontextmanager
async def killed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End a process by SIGKILL; the supervisor starts it again."""
    await ended(cluster, target, signal.SIGKILL)
    yield


@asynccontextmanager
async def stopped(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End a process by SIGTERM: it finishes what it holds."""
    await ended(cluster, target, signal.SIGTERM)
    yield


@asynccontextmanager
async def all_killed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End several processes in the same moment: every executor, or everything with both servers."""
    names = [name for name in cluster.shape.services if target == "everything" or name.startswith("executor")]
    ends = [ended(cluster, name, signal.SIGKILL) for name in names]
    if target == "everything":
        ends += [ended(cluster, "valkey", signal.SIGKILL), ended(cluster, "postgres", signal.SIGQUIT)]
    await asyncio.gather(*ends)
    yield


async def ended(cluster: Cluster, target: str, number: signal.Signals) -> None:
    """Send a signal that ends a process, and wait until the supervisor has started it again."""
    before = cluster.pid(target)
    cluster.send(target, number)
    await wait_until(lambda: cluster.pid(target) != before, timeout=RESTART, what=f"{target} to be started again")


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
async def clock_ahead(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Set a service's clock forward by an hour, and back."""
    async with _clock_moved(cluster, target, HOUR):
        yield


@asynccontextmanager
async def clock_behind(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Set a service's clock back by an hour, and forward again."""
    async with _clock_moved(cluster, target, -HOUR):
        yield


@asynccontextmanager
async def _clock_moved(cluster: Cluster, target: str, seconds: int) -> AsyncIterator[None]:
    if cluster.clocks.missing:
        raise DidNotHappen(cluster.clocks.missing)
    cluster.clocks.move(target, seconds)
    try:
        yield
    finally:
        cluster.clocks.move(target, 0)


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
