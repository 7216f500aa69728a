"""The statements that every task passes through, while somebody else changes the same rows; with plans that are kept.

What one of them returns, what it writes to the task and what it writes to the log must be of one and the same row.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.execution import Queued, insert
from tests.support import wait_until

from tidewheel_common.core.decide import Transition
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.task import Priority, Reason
from tidewheel_common.store.engine import Engine, Plans, open_engine
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher.queries import Dispatch, Grant, tasks_dispatch
from tidewheel_executor.queries import Endings, tasks_claim, tasks_complete, tasks_finish

NAME = "racer"
EXECUTOR = UUID(int=1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COMPLETE = Transition(state=State.COMPLETE, attempt_state="complete", failures=0, lost=0)
WAITING = Transition(state=State.WAITING, attempt_state="failed", failures=1, lost=0, wait=30.0)
DEAD = Transition(state=State.DEAD, attempt_state="failed", failures=5, lost=0, reason=Reason.ATTEMPTS_EXHAUSTED)

Ending = Callable[[Engine, Sequence[Queued]], Coroutine[Any, Any, Sequence[Any]]]

ELSEWHERE = "state = 'ready', ready_at = now(), queued_at = NULL"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    pool = open_engine(database_url, application_name=NAME, pool_size=10, plans=Plans.KEPT)
    yield pool
    await pool.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Rival:
    """Somebody who changes rows in a transaction, and says what waits for it."""

    def __init__(self, database_url: str, database: Any) -> None:
        self._url = database_url
        self._database = database

    @asynccontextmanager
    async def holding(self, task: UUID, change: str) -> AsyncIterator[None]:
        """Change a row; the change is committed at the end of the block."""
        connection = await asyncpg.connect(self._url)
        try:
            async with connection.transaction():
                await connection.execute(f"UPDATE tasks SET {change} WHERE id = $1", task)
                yield
        finally:
            await connection.close()

    async def until_waiting(self, statements: int = 1) -> None:
        """Wait until so many statements wait for a lock."""

        async def waiting() -> bool:
            count = await self._database.fetchval(
                "SELECT count(DISTINCT a.pid) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid "
                "WHERE a.application_name = $1 AND a.datname = current_database() AND NOT l.granted",
                NAME,
            )
            return bool(count == statements)

        await wait_until(waiting, what=f"{statements} statements that wait for a lock")

    async def race(self, task: UUID, change: str, statement: Awaitable[Any]) -> Any:
        """Run a statement that comes upon a row while it is being changed."""
        async with self.holding(task, change):
            running = asyncio.ensure_future(statement)
            await self.until_waiting()
        return await asyncio.wait_for(running, 10)


@pytest.fixture
def rival(database_url: str, database: Any) -> Rival:
    return Rival(database_url, database)


async def _claim(engine: Engine, tasks: Sequence[Queued], executor: UUID = EXECUTOR) -> Sequence[Any]:
    async with engine.connect() as connection:
        return await tasks_claim(
            connection,
            ids=[task.id for task in tasks],
            attempts=[task.attempt for task in tasks],
            leases=[310.0] * len(tasks),
            executor_id=executor,
            now=NOW,
        )


async def _end(engine: Engine, tasks: Sequence[Queued], transition: Transition, **options: Any) -> Sequence[Any]:
    endings = Endings()
    for task in tasks:
        endings.add(task.id, task.attempt + 1, transition)
    async with engine.connect() as connection:
        return await tasks_finish(connection, endings, now=NOW, **options)


async def _complete(engine: Engine, tasks: Sequence[Queued]) -> Sequence[Any]:
    completions = [(task.id, task.attempt + 1, b"sealed") for task in tasks]
    async with engine.connect() as connection:
        return await tasks_complete(connection, completions, now=NOW)


each_ending = pytest.mark.parametrize(
    "end",
    [_complete, partial(_end, transition=COMPLETE), partial(_end, transition=DEAD)],
    ids=["completed plainly", "completed", "dead"],
)


async def _dispatch(engine: Engine, room: int, *, priority: Priority = Priority.MEDIUM, **options: Any) -> Dispatch:
    async with engine.connect() as connection:
        return await tasks_dispatch(
            connection,
            [Grant(Line("default", priority), room)],
            served=[("default", "demo.noop")],
            budget=1000,
            park=60.0,
            **options,
        )


async def _row(database: Any, task: Queued) -> Any:
    return await database.fetchrow("SELECT * FROM tasks WHERE id = $1", task.id)


async def _queued(database: Any, count: int) -> list[Queued]:
    return [await insert(database, "demo.noop") for _ in range(count)]


async def _ready(database: Any, count: int) -> list[Queued]:
    tasks = await _queued(database, count)
    await database.execute(f"UPDATE tasks SET {ELSEWHERE}")
    return tasks


@pytest.mark.parametrize(
    "change",
    [
        "cancel_requested_at = now()",
        "attempt = attempt + 1",
        ELSEWHERE,
        "state = 'cancelled', queued_at = NULL, finished_at = now(), remove_at = now()",
        "expires_at = '2026-06-01 12:00+00'",
    ],
)
async def test_a_claim_leaves_what_was_changed_while_it_waited(
    engine: Engine, database: Any, rival: Rival, change: str
) -> None:
    tasks = await _queued(database, 3)
    claimed = await rival.race(tasks[1].id, change, _claim(engine, tasks))
    assert {row.id for row in claimed} == {tasks[0].id, tasks[2].id}
    left = await _row(database, tasks[1])
    assert (left["executor_id"], left["lease_until"], left["started_at"]) == (None, None, None)
    for task in (tasks[0], tasks[2]):
        row = await _row(database, task)
        assert (row["state"], row["attempt"], row["executor_id"]) == ("running", 1, EXECUTOR)


async def test_a_claim_takes_what_was_changed_without_harm_as_it_is_now(
    engine: Engine, database: Any, rival: Rival
) -> None:
    tasks = await _queued(database, 3)
    change = "priority = 0, timeout = 7, failures = 2, max_attempts = 9, payload = 'newer'"
    claimed = await rival.race(tasks[1].id, change, _claim(engine, tasks))
    (row,) = [row for row in claimed if row.id == tasks[1].id]
    assert (row.attempt, row.timeout, row.failures, row.max_attempts, row.payload) == (1, 7.0, 2, 9, b"newer")
    stored = await _row(database, tasks[1])
    assert (stored["state"], stored["attempt"], stored["priority"], stored["timeout"]) == ("running", 1, 0, 7.0)
    assert len(claimed) == 3


@each_ending
@pytest.mark.parametrize("change", ["attempt = attempt + 1", "state = 'queued', lease_until = NULL"])
async def test_an_ending_is_fenced_by_what_was_changed_while_it_waited(
    engine: Engine, database: Any, rival: Rival, change: str, end: Ending
) -> None:
    tasks = await _queued(database, 3)
    await _claim(engine, tasks)
    held = await rival.race(tasks[1].id, change, end(engine, tasks))
    assert {row.id for row in held} == {tasks[0].id, tasks[2].id}
    assert (await _row(database, tasks[1]))["finished_at"] is None
    logged = await database.fetch("SELECT task_id, attempt FROM execution_log")
    assert {(row["task_id"], row["attempt"]) for row in logged} == {(tasks[0].id, 1), (tasks[2].id, 1)}


@pytest.mark.parametrize(("transition", "cancelled"), [(WAITING, True), (DEAD, False)])
async def test_a_cancellation_that_comes_while_an_ending_waits_is_minded(
    engine: Engine, database: Any, rival: Rival, transition: Transition, cancelled: bool
) -> None:
    tasks = await _queued(database, 2)
    await _claim(engine, tasks)
    ending = _end(engine, tasks, transition)
    held = await rival.race(tasks[1].id, "cancel_requested_at = now()", ending)
    assert {row.id: row.cancelled for row in held} == {tasks[0].id: False, tasks[1].id: cancelled}
    assert (await _row(database, tasks[1]))["state"] == ("running" if cancelled else "dead")
    logged = [row["task_id"] for row in await database.fetch("SELECT task_id FROM execution_log")]
    assert sorted(logged) == sorted([tasks[0].id] if cancelled else [task.id for task in tasks])


async def test_a_cancellation_that_comes_while_a_completion_waits_is_too_late(
    engine: Engine, database: Any, rival: Rival
) -> None:
    (task,) = await _queued(database, 1)
    await _claim(engine, [task])
    assert len(await rival.race(task.id, "cancel_requested_at = now()", _complete(engine, [task]))) == 1
    assert (await _row(database, task))["state"] == "complete"


@each_ending
async def test_the_log_says_what_the_row_said_when_it_was_held(
    engine: Engine, database: Any, rival: Rival, end: Ending
) -> None:
    (task,) = await _queued(database, 1)
    await _claim(engine, [task])
    other = uuid4()
    change = f"executor_id = '{other}', started_at = '2026-06-01 11:59+00', removal_delay = 7"
    await rival.race(task.id, change, end(engine, [task]))
    (logged,) = await database.fetch("SELECT * FROM execution_log")
    assert (logged["executor_id"], logged["started_at"]) == (other, datetime(2026, 6, 1, 11, 59, tzinfo=UTC))
    row = await _row(database, task)
    assert (row["remove_at"] - row["finished_at"]).total_seconds() == 7


@pytest.mark.parametrize("transition", [COMPLETE, DEAD], ids=["complete", "dead"])
async def test_a_task_that_begins_to_be_awaited_while_its_ending_waits_is_held_back(
    engine: Engine, database: Any, rival: Rival, transition: Transition
) -> None:
    (task,) = await _queued(database, 1)
    await _claim(engine, [task])
    (held,) = await rival.race(task.id, "awaited = true", _end(engine, [task], transition, hold_awaited=True))
    assert held["awaited"]
    assert (await _row(database, task))["state"] == "running"
    assert await database.fetchval("SELECT count(*) FROM execution_log") == 0


async def test_a_task_that_begins_to_be_awaited_while_its_completion_waits_is_not_completed(
    engine: Engine, database: Any, rival: Rival
) -> None:
    tasks = await _queued(database, 2)
    await _claim(engine, tasks)
    held = await rival.race(tasks[0].id, "awaited = true", _complete(engine, tasks))
    assert [row.id for row in held] == [tasks[1].id]
    assert (await _row(database, tasks[0]))["state"] == "running"


async def test_claims_that_wait_in_a_row_lock_in_the_order_of_the_ids(
    engine: Engine, database: Any, rival: Rival
) -> None:
    tasks = await _queued(database, 30)
    orders = (tasks, tasks[::-1], tasks[10:], tasks[:20][::-1])
    async with rival.holding(tasks[0].id, "priority = 0"):
        running = [asyncio.create_task(_claim(engine, order, uuid4())) for order in orders]
        # All but the one that begins with a later task stand before the first; that one takes all of its own.
        await rival.until_waiting(3)
    claims = await asyncio.wait_for(asyncio.gather(*running), 10)
    assert sorted(row.id for rows in claims for row in rows) == sorted(task.id for task in tasks)
    taken = await database.fetch("SELECT state, attempt FROM tasks")
    assert {(row["state"], row["attempt"]) for row in taken} == {("running", 1)}


async def test_endings_that_wait_in_a_row_record_each_attempt_once(engine: Engine, database: Any, rival: Rival) -> None:
    tasks = await _queued(database, 30)
    await _claim(engine, tasks)
    async with rival.holding(tasks[0].id, "priority = 0"):
        running = [
            asyncio.create_task(_complete(engine, tasks)),
            asyncio.create_task(_end(engine, tasks[::-1], WAITING)),
            asyncio.create_task(_end(engine, tasks, COMPLETE)),
        ]
        await rival.until_waiting(3)
    endings = await asyncio.wait_for(asyncio.gather(*running), 10)
    assert sorted(row.id for rows in endings for row in rows) == sorted(task.id for task in tasks)
    recorded = {row["id"]: row["state"] for row in await database.fetch("SELECT id, state FROM tasks")}
    logged = {row["task_id"]: row["state"] for row in await database.fetch("SELECT task_id, state FROM execution_log")}
    states = {"complete": "complete", "waiting": "failed"}
    assert logged == {task_id: states[state] for task_id, state in recorded.items()}


@each_ending
async def test_a_claim_and_an_ending_of_overlapping_tasks_wait_for_each_other_only_one_way(
    engine: Engine, database: Any, rival: Rival, end: Ending
) -> None:
    tasks = await _queued(database, 20)
    await _claim(engine, tasks[::2])
    async with rival.holding(tasks[0].id, "priority = 0"):
        ending = asyncio.create_task(end(engine, tasks[::2][::-1]))
        await rival.until_waiting()
        claim = asyncio.create_task(_claim(engine, tasks[::-1]))
        claimed = await asyncio.wait_for(claim, 10)
    held = await asyncio.wait_for(ending, 10)
    assert {row.id for row in claimed} == {task.id for task in tasks[1::2]}
    assert {row.id for row in held} == {task.id for task in tasks[::2]}


async def test_two_dispatches_share_what_is_ready(engine: Engine, database: Any) -> None:
    await _ready(database, 200)
    dispatches = await asyncio.gather(*(_dispatch(engine, 60) for _ in range(3)))
    taken = [task.queued.task_id for dispatch in dispatches for task in dispatch.queued]
    assert len(taken) == len(set(taken))
    rest = await _dispatch(engine, 200)
    marked = await database.fetch("SELECT id FROM tasks WHERE state = 'queued' AND ready_at IS NULL")
    assert {row["id"] for row in marked} == {*taken, *(task.queued.task_id for task in rest.queued)}
    assert len(marked) == 200


async def test_a_dispatch_goes_round_what_somebody_holds(engine: Engine, database: Any, rival: Rival) -> None:
    tasks = await _ready(database, 3)
    async with rival.holding(tasks[0].id, "priority = 2"):
        dispatch = await asyncio.wait_for(_dispatch(engine, 3), 10)
    assert {task.queued.task_id for task in dispatch.queued} == {task.id for task in tasks[1:]}
    assert (await _row(database, tasks[0]))["state"] == "ready"
    later = await _dispatch(engine, 3, priority=Priority.LOW)
    assert [task.queued.task_id for task in later.queued] == [tasks[0].id]
    assert later.queued[0].queued.line == Line("default", Priority.LOW)


async def test_a_dispatch_never_takes_more_than_its_room_from_behind_what_is_held(
    engine: Engine, database: Any, rival: Rival
) -> None:
    tasks = await _ready(database, 4)
    await database.execute("UPDATE tasks SET ready_at = now() - interval '1 hour' WHERE id = $1", tasks[3].id)
    async with rival.holding(tasks[3].id, "priority = 2"):
        dispatch = await asyncio.wait_for(_dispatch(engine, 2), 10)
    assert len(dispatch.queued) == 2
    assert tasks[3].id not in {task.queued.task_id for task in dispatch.queued}
