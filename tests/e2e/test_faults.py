"""The demo ends well whatever is killed or emptied in its middle."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from tests.stack import Stack
from tests.support import wait_until

from tidewheel_client import AsyncClient

_DEMO_LIMIT = 150.0  # seconds; a lost executor's tasks wait for its heartbeat to go stale


@asynccontextmanager
async def _demo(stack: Stack, client: AsyncClient) -> AsyncIterator[None]:
    """Run the demo, hand over in its middle, and expect it to end well."""
    before = await _newest(client)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_cli", "demo", "--state-dir", str(stack.directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    async def under_way() -> bool:
        return await _newest(client) != before

    await wait_until(under_way, timeout=30, what="the demo's first task")
    yield
    output, _ = await asyncio.wait_for(process.communicate(), _DEMO_LIMIT)
    assert process.returncode == 0, output.decode()


async def _newest(client: AsyncClient) -> str | None:
    async for task in client.tasks.list(limit=1):
        return str(task.id)
    return None


@pytest.mark.timeout(240)
async def test_the_demo_ends_well_when_redis_is_emptied_in_its_middle(stack: Stack, client: AsyncClient) -> None:
    async with _demo(stack, client), Redis.from_url(stack.redis_url) as redis:
        await redis.flushall()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", ["gateway", "scheduler", "dispatcher", "executor", "reaper"])
async def test_the_demo_ends_well_when_a_service_is_killed_in_its_middle(
    stack: Stack, client: AsyncClient, service: str
) -> None:
    killed = Stack.read(stack.directory).services[service]

    async with _demo(stack, client):
        os.kill(killed, signal.SIGKILL)

    def restarted() -> bool:
        return Stack.read(stack.directory).services[service] != killed

    await wait_until(restarted, what=f"the supervisor to restart the {service}")
