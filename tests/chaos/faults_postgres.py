"""What can be done to PostgreSQL. Each fault is injected, lasts, and is healed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from tests.chaos.cluster import Cluster
from tests.chaos.faults import RESTART, DidNotHappen, ended
from tests.support import wait_until

JUMP = 60
"""Seconds by which the database's clock jumps: four times the silence after which an executor is lost."""

_GRAB = 0.1  # seconds between two tries to take every connection

CLOCK = (
    "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
    "'SELECT pg_catalog.clock_timestamp() + make_interval(secs => {seconds})'"
)
"""Makes the database's clock so many seconds ahead; see clock.sql."""

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tidewheel-%'"


@asynccontextmanager
async def crashed(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End PostgreSQL by SIGQUIT, its immediate shutdown: no checkpoint, and recovery at the start."""
    await ended(cluster, target, signal.SIGQUIT)
    yield


@asynccontextmanager
async def disconnected(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """End every session of the services in PostgreSQL."""
    assert target == "postgres"
    await _execute(cluster, _END_SESSIONS)
    yield


@asynccontextmanager
async def crowded(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Take every connection that PostgreSQL has, those of the services as well."""
    assert target == "postgres"
    taken: list[asyncpg.Connection] = []
    grabbing: asyncio.Task[None] | None = None
    try:
        await _grab(cluster, taken)
        if not taken:
            raise DidNotHappen("there was no connection to take")
        await taken[0].execute(_END_SESSIONS)
        grabbing = asyncio.create_task(_go_on_grabbing(cluster, taken))
        yield
    finally:
        if grabbing is not None:
            grabbing.cancel()
            await asyncio.gather(grabbing, return_exceptions=True)
        for connection in taken:
            connection.terminate()


async def _grab(cluster: Cluster, taken: list[asyncpg.Connection]) -> None:
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            taken.append(await asyncpg.connect(cluster.database_url))


async def _go_on_grabbing(cluster: Cluster, taken: list[asyncpg.Connection]) -> None:
    never = asyncio.Event()
    while True:
        await _grab(cluster, taken)
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), _GRAB)


@asynccontextmanager
async def filled(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Leave the disk of the tables no room."""
    assert target == "postgres"
    if cluster.disk.missing:
        raise DidNotHappen(cluster.disk.missing)
    cluster.disk.fill()
    try:
        yield
    finally:
        cluster.disk.free()


@asynccontextmanager
async def jumped_ahead(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Let the database's clock jump forward, and back."""
    assert target == "postgres"
    async with _jumped(cluster, JUMP):
        yield


@asynccontextmanager
async def jumped_back(cluster: Cluster, target: str) -> AsyncIterator[None]:
    """Let the database's clock jump back, and forward again."""
    assert target == "postgres"
    async with _jumped(cluster, -JUMP):
        yield


@asynccontextmanager
async def _jumped(cluster: Cluster, seconds: int) -> AsyncIterator[None]:
    await _execute(cluster, CLOCK.format(seconds=seconds))
    try:
        yield
    finally:
        await wait_until(lambda: _is_right_again(cluster), timeout=RESTART, what="the database's clock to be set right")


async def _is_right_again(cluster: Cluster) -> bool:
    try:
        await _execute(cluster, CLOCK.format(seconds=0))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def _execute(cluster: Cluster, sql: str) -> None:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
