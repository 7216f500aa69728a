"""A child dies while PostgreSQL still works on what it asked for: nothing that comes of it is left to its lease."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.execution import Queued, insert
from tests.support import wait_until

from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.streams.hint import Hint
from tidewheel_executor import queries
from tidewheel_executor.lost import report_interrupted, report_lost
from tidewheel_executor.reports import REPEATED, LostReports

EXECUTOR = uuid4()

WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    pool = open_engine(database_url, application_name="test")
    yield pool
    await pool.dispose()


async def _claim(engine: Engine, task_id: UUID, connections: list[Any]) -> Any:
    async with engine.connect() as connection:
        connections.append(connection._driver)
        return await queries.tasks_claim(connection, ids=[task_id], attempts=[0], leases=[310.0], executor_id=EXECUTOR)


async def test_a_claim_that_is_committed_after_its_child_was_reported_dead_is_found(
    engine: Engine, database: Any, database_url: str
) -> None:
    waited_for, other = await insert(database, "demo.noop"), await insert(database, "demo.noop")
    now = [0.0]
    reports = LostReports(
        lost=partial(report_lost, engine, EXECUTOR, jitter=lambda: 0.0),
        interrupted=partial(report_interrupted, engine, EXECUTOR),
        clock=lambda: now[0],
    )

    async def row(task: Queued) -> Any:
        return await database.fetchrow("SELECT state, lost, attempt FROM tasks WHERE id = $1", task.id)

    holder = await asyncpg.connect(database_url)
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT FROM tasks WHERE id = $1 FOR UPDATE", waited_for.id)
    child: list[Any] = []
    claim = asyncio.create_task(_claim(engine, waited_for.id, child))
    await wait_until(lambda: database.fetchval(WAITS), what="the claim to wait")
    child[0].terminate()  # as the kernel does when a process dies
    with pytest.raises(Exception, match="closed"):
        await claim
    reports.add([Hint(task.id, 0, task.handler) for task in (waited_for, other)])
    assert await reports.tick() == REPEATED[0]
    assert (await row(waited_for))["state"] == "queued"

    await held.rollback()
    await holder.close()
    await wait_until(
        lambda: database.fetchval("SELECT state = 'running' FROM tasks WHERE id = $1", waited_for.id),
        what="the claim of the dead child",
    )
    now[0] = REPEATED[0]
    await reports.tick()
    assert tuple(await row(waited_for)) == ("waiting", 1, 1)

    await _claim(engine, other.id, [])  # by another child, that lives
    for now[0] in REPEATED[1:]:
        await reports.tick()
    assert tuple(await row(other)) == ("running", 0, 1)
