"""PostgreSQL is killed, or has no connection left: every process outlives it, and nothing is half done."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import asyncpg
from tests.integration.recovery_rig import SERVICES, Cluster, cluster
from tests.support import wait_until

RECOVERED = 10.0
"""Seconds from PostgreSQL's return until everything flows."""


async def _ready(made: Cluster) -> bool:
    return (await made.http.get("/readyz")).status_code == 200


async def test_every_process_outlives_an_immediate_stop_and_goes_on(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    async with cluster(tmp_path) as made:
        warm = await made.submit(count=50)
        await made.until_states(complete=len(warm))
        running = await made.submit("demo.sleep", payload={"seconds": 4})
        await made.until_states(complete=50, running=1)

        await made.postgres.off()
        answers = await asyncio.gather(*(made.http.post("/v1/tasks", json={"handler": "demo.noop"}) for _ in range(20)))
        await wait_until(lambda: _backed_off(made), timeout=15, what="every process to notice")
        await made.postgres.on()
        back = time.monotonic()
        await wait_until(lambda: _ready(made), what="the gateway's return", timeout=RECOVERED)
        fresh = await made.submit(count=100)
        await made.until_states(complete=50 + len(running) + len(fresh), timeout=RECOVERED)
        took = time.monotonic() - back
        attempts = await made.fetch("SELECT attempt, state FROM execution_log WHERE task_id = $1", running[0])

        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["retry-after"] for answer in answers)
        assert [tuple(row) for row in attempts] == [(1, "complete")]  # the child kept the result
        assert took < RECOVERED
        assert made.dead() == []
        assert made.complaints() == []
        streaks = Counter(
            (line["service_name"], line["loop"]) for line in made.lines() if line["event"] == "loop backs off"
        )
        assert set(streaks.values()) == {1}


def _backed_off(made: Cluster) -> bool:
    found = {line["service_name"] for line in made.lines() if line["event"] == "loop backs off"}
    return found >= set(SERVICES) - {"gateway"}


async def test_without_a_free_connection_calls_get_503_and_all_heals(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    async with cluster(tmp_path, postgres_settings={"max_connections": "45"}) as made:
        await made.until_states()
        hogs = await _take_every_connection(made)
        answers = await asyncio.gather(*(made.http.post("/v1/tasks", json={"handler": "demo.noop"}) for _ in range(20)))
        alive = await made.http.get("/healthz")
        for hog in hogs:
            await hog.close()
        given_back = time.monotonic()
        await wait_until(lambda: _ready(made), what="the gateway's return", timeout=RECOVERED)
        await made.submit(count=100)
        await made.until_states(complete=100, timeout=RECOVERED)  # of the refused ones there is none

        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["retry-after"] for answer in answers)
        assert alive.status_code == 200
        assert time.monotonic() - given_back < RECOVERED
        assert made.dead() == []
        assert made.complaints() == []
        assert sum(line["event"] == "database away" for line in made.lines(["gateway"])) == 1


async def _take_every_connection(made: Cluster) -> list[asyncpg.Connection]:
    """Cut the services' connections, and take each one that comes free."""
    hogs: list[asyncpg.Connection] = [await asyncpg.connect(made.postgres.server.url)]
    others = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'tidewheel-%'"

    async def taken() -> bool:
        try:
            hogs.append(await asyncpg.connect(made.postgres.server.url))
        except (asyncpg.TooManyConnectionsError, ConnectionError):
            left = await hogs[0].fetch(f"SELECT pg_terminate_backend(pid) FROM ({others} LIMIT 1) AS other")
            return not left
        return False

    await wait_until(taken, timeout=30, what="the end of all free connections")
    return hogs
