"""A moved clock is seen by everybody who asks it: the database's by each statement, a process's by its own calls."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from tests.chaos.clocks import Clocks
from tests.chaos.faults_postgres import CLOCK
from tests.support import wait_until

_SQL = Path(__file__).with_name("clock.sql")
_LIMIT = 30.0  # seconds: far from either clock
_ASK = "import time\nwhile input():\n    print(time.clock_gettime(time.CLOCK_REALTIME), time.monotonic(), flush=True)"


async def test_statements_prepared_before_and_defaults_see_the_jump(empty_database_url: str) -> None:
    async with asyncpg.create_pool(empty_database_url, min_size=1, max_size=1) as pool:
        await pool.execute(_SQL.read_text(encoding="utf-8"))
        await pool.execute("SET search_path = public, pg_catalog")
        async with pool.acquire() as services, asyncpg.create_pool(empty_database_url, min_size=1) as rig:
            await services.execute("SET search_path = public, pg_catalog")
            await services.execute("CREATE TABLE notes (at timestamptz DEFAULT clock_timestamp())")
            drift = await services.prepare(
                "SELECT extract(epoch FROM clock_timestamp() - pg_catalog.clock_timestamp())::float8"
            )
            assert abs(await drift.fetchval()) < _LIMIT

            await rig.execute(CLOCK.format(seconds=3600))

            assert await drift.fetchval() > _LIMIT
            await services.execute("INSERT INTO notes DEFAULT VALUES")
            ahead = "SELECT extract(epoch FROM at - pg_catalog.clock_timestamp())::float8 FROM notes"
            assert await services.fetchval(ahead) > _LIMIT

            await rig.execute(CLOCK.format(seconds=0))

            assert abs(await drift.fetchval()) < _LIMIT


async def test_a_process_sees_its_own_clock_and_measures_durations_as_before(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path / "clocks", wanted=True)
    if clocks.missing:
        pytest.skip(clocks.missing)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _ASK),
        env=dict(clocks.environment("one")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def drift() -> float:
        stdin.write(b"now\n")
        wall, monotonic = map(float, (await stdout.readline()).split())
        return wall - monotonic

    usual = await drift()
    clocks.move("one", -3600)
    await wait_until(lambda: _is(drift, usual - 3600), what="the clock to be an hour behind")
    clocks.move("one", 0)
    await wait_until(lambda: _is(drift, usual), what="the clock to be right again")
    process.kill()
    await process.communicate()


async def _is(drift: Callable[[], Awaitable[float]], expected: float) -> bool:
    return abs(await drift() - expected) < _LIMIT
