"""The executor's statements: what each may touch, and what it must leave alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.execution import Queued, insert
from tests.support import text

from tidewheel_common.core.decide import Transition
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.task import Reason
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_executor import queries

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXECUTOR = UUID(int=1)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    pool = open_engine(database_url, application_name="test", pool_size=10)
    yield pool
    await pool.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _claim(engine: Engine, tasks: Sequence[Queued], **options: Any) -> Sequence[Any]:
    given = {"executor_id": EXECUTOR, "leases": [30.0] * len(tasks), "now": NOW, **options}
    async with engine.connect() as connection:
        return await queries.tasks_claim(
            connection, ids=[task.id for task in tasks], attempts=[task.attempt for task in tasks], **given
        )


async def _finish(engine: Engine, *endings: tuple[Queued, Transition], **columns: Any) -> Sequence[Any]:
    laid_out = queries.Endings()
    for task, transition in endings:
        laid_out.add(task.id, task.attempt + 1, transition, **columns)
    async with engine.connect() as connection:
        return await queries.tasks_finish(connection, laid_out, now=NOW + timedelta(seconds=1))


async def _complete(engine: Engine, *tasks: Queued, result: bytes | None = None) -> list[UUID]:
    completions = [(task.id, task.attempt + 1, result) for task in tasks]
    async with engine.connect() as connection:
        rows = await queries.tasks_complete(connection, completions, now=NOW + timedelta(seconds=1))
    return [row.id for row in rows]


async def _complete_the_long_way(engine: Engine, *tasks: Queued, result: bytes | None = None) -> list[UUID]:
    return [row.id for row in await _finish(engine, *((task, COMPLETE) for task in tasks), result=result)]


async def _row(database: Any, task: Queued) -> Any:
    return await database.fetchrow("SELECT * FROM tasks WHERE id = $1", task.id)


async def _logged(database: Any) -> dict[str, Any]:
    (entry,) = await database.fetch("SELECT * FROM execution_log")
    return dict(entry)


def _entry(task: Queued, state: str, finished_at: datetime, **errors: Any) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "attempt": 1,
        "tenant_id": task.tenant_id,
        "executor_id": EXECUTOR,
        "state": state,
        "started_at": NOW,
        "finished_at": finished_at,
        **errors,
    }


COMPLETE = Transition(state=State.COMPLETE, attempt_state="complete", failures=2, lost=0)
WAITING = Transition(state=State.WAITING, attempt_state="failed", failures=1, lost=0, wait=30.0)
DEAD = Transition(state=State.DEAD, attempt_state="failed", failures=5, lost=0, reason=Reason.ATTEMPTS_EXHAUSTED)
CANCELLED = Transition(state=State.CANCELLED, attempt_state="cancelled", failures=0, lost=0, reason=Reason.CANCELLED)


async def test_a_claim_takes_a_queued_task(engine: Engine, database: Any) -> None:
    task = await insert(database, "demo.noop", timeout=20.0, failures=1, attempt=3)

    (claimed,) = await _claim(engine, [task])

    assert (claimed.id, claimed.attempt, claimed.failures, claimed.timeout) == (task.id, 4, 1, 20.0)
    row = await _row(database, task)
    assert (row["state"], row["attempt"], row["executor_id"]) == ("running", 4, EXECUTOR)
    assert row["started_at"] == NOW
    assert row["lease_until"] == NOW + timedelta(seconds=30)
    assert claimed.payload == row["payload"]


@pytest.mark.parametrize(
    "change",
    [
        "state = 'ready', ready_at = now(), queued_at = NULL",
        "state = 'waiting', wait_until = now(), queued_at = NULL",
        "state = 'running', lease_until = now()",
        "state = 'complete', remove_at = now(), queued_at = NULL",
        "state = 'cancelled', remove_at = now(), queued_at = NULL",
        "attempt = 1",
        "cancel_requested_at = now()",
        "expires_at = '2026-06-01 12:00+00'",
    ],
)
async def test_a_claim_drops_a_hint_that_is_stale(engine: Engine, database: Any, change: str) -> None:
    task, other = await insert(database, "demo.noop"), await insert(database, "demo.noop")
    await database.execute(f"UPDATE tasks SET {change} WHERE id = $1", task.id)
    before = await _row(database, task)

    claimed = await _claim(engine, [task, other])

    assert [row.id for row in claimed] == [other.id]
    assert await _row(database, task) == before


async def test_a_claim_takes_a_task_up_to_its_expiry(engine: Engine, database: Any) -> None:
    task = await insert(database, "demo.noop", expires_at=NOW + timedelta(seconds=1))
    assert len(await _claim(engine, [task])) == 1


async def test_a_claim_gives_each_task_its_lease_in_whatever_order(engine: Engine, database: Any) -> None:
    tasks = [await insert(database, "demo.noop") for _ in range(3)]
    await _claim(engine, tasks[::-1], leases=[1.0, 2.0, 3.0])
    leases = [(await _row(database, task))["lease_until"] - NOW for task in tasks]
    assert leases == [timedelta(seconds=seconds) for seconds in (3, 2, 1)]


async def test_a_claim_leaves_payloads_behind_that_are_too_large_together(
    engine: Engine, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = await insert(database, "demo.noop"), await insert(database, "demo.noop", sealed=b"x" * 5000)
    monkeypatch.setattr(queries, "PAYLOAD_BYTES", 2 * 4999)

    claimed = {row.id: row.payload for row in await _claim(engine, [small, large])}

    assert claimed == {small.id: (await _row(database, small))["payload"], large.id: None}


async def test_payloads_are_read_in_order_as_far_as_there_is_room(
    engine: Engine, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (3000, 100, 899, 1, 1)
    tasks = [await insert(database, "demo.noop", sealed=b"x" * size) for size in sizes]
    gone = uuid4()
    monkeypatch.setattr(queries, "PAYLOAD_BYTES", 1000)

    async def read(*ids: UUID) -> dict[UUID, int | None]:
        async with engine.connect() as connection:
            found = await queries.payloads_read(connection, ids)
        return {task_id: None if payload is None else len(payload) for task_id, payload in found.items()}

    first, *rest = (task.id for task in tasks)
    assert await read(first, *rest) == {first: 3000}
    assert await read(*rest) == dict(zip(rest[:3], sizes[1:4], strict=True))
    assert await read(gone, first) == {gone: None, first: 3000}


async def test_two_claims_of_the_same_hints_share_them_without_a_deadlock(engine: Engine, database: Any) -> None:
    for _ in range(10):
        tasks = [await insert(database, "demo.noop") for _ in range(40)]

        claims = await asyncio.gather(
            *(
                _claim(engine, order, executor_id=uuid4(), now=None)
                for order in (tasks, list(reversed(tasks)), tasks[10:], list(reversed(tasks[:30])))
            )
        )

        taken = [row.id for claim in claims for row in claim]
        assert sorted(taken) == sorted(task.id for task in tasks)


async def test_a_claim_changes_no_index(engine: Engine, database: Any) -> None:
    every = [await insert(database, "demo.noop", expires_at=NOW + timedelta(days=1)) for _ in range(90)]
    tasks = every[::3]
    # Where there is room on the page, only a change of an indexed column can keep a new version from it.
    await database.execute("DELETE FROM tasks WHERE id <> ALL($1)", [task.id for task in tasks])
    await database.execute("VACUUM tasks")
    await database.execute("SELECT pg_stat_force_next_flush()")
    before = await _updates(database)

    await _claim(engine, tasks)

    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
    await engine.dispose()  # a backend that ends flushes what it has counted
    after = await _updates(database)
    updates, hot = after[0] - before[0], after[1] - before[1]
    assert (updates, hot) == (30, 30)


async def _updates(database: Any) -> tuple[int, int]:
    await database.execute("SELECT pg_stat_clear_snapshot()")
    row = await database.fetchrow("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks'")
    return row["n_tup_upd"], row["n_tup_hot_upd"]


@pytest.mark.parametrize("complete", [_complete, _complete_the_long_way])
async def test_completing_records_the_task_and_the_log_shows_its_attempt(
    engine: Engine, database: Any, complete: Callable[..., Awaitable[list[UUID]]]
) -> None:
    task = await insert(database, "demo.noop", failures=2)
    await _claim(engine, [task])
    await database.execute("UPDATE tasks SET error = 'sealed', error_type = 'E', reason = 'permanent'")

    assert await complete(engine, task, result=b"sealed") == [task.id]

    row = await _row(database, task)
    then = NOW + timedelta(seconds=1)
    assert (row["state"], row["failures"], row["result"]) == ("complete", 2, b"sealed")
    assert (row["error"], row["error_type"], row["reason"]) == (None,) * 3
    assert (row["lease_until"], row["queued_at"], row["ready_at"], row["wait_until"]) == (None,) * 4
    assert (row["finished_at"], row["remove_at"]) == (then, then + timedelta(seconds=60))
    assert await database.fetchval("SELECT count(*) FROM attempts") == 0
    assert await _logged(database) == _entry(task, "complete", then, error=None, error_type=None)


async def test_an_attempt_that_an_older_release_has_logged_is_shown_once(engine: Engine, database: Any) -> None:
    task = await insert(database, "demo.noop")
    await _claim(engine, [task])
    await _complete(engine, task)
    await database.execute(
        "INSERT INTO attempts (task_id, attempt, tenant_id, state, finished_at) VALUES ($1, 1, $2, 'complete', now())",
        *(task.id, task.tenant_id),
    )
    assert len(await database.fetch("SELECT 1 FROM execution_log")) == 1


@pytest.mark.parametrize("transition", [WAITING, DEAD, CANCELLED], ids=lambda each: str(each.state))
async def test_finishing_records_the_task_and_its_attempt(
    engine: Engine, database: Any, transition: Transition
) -> None:
    task = await insert(database, "demo.noop")
    await _claim(engine, [task])

    held = await _finish(engine, (task, transition), error=b"sealed", error_type="E")

    assert [(row.id, row.cancelled) for row in held] == [(task.id, False)]
    row = await _row(database, task)
    then = NOW + timedelta(seconds=1)
    is_waiting = transition.state is State.WAITING
    assert (row["state"], row["failures"], row["reason"]) == (transition.state, transition.failures, transition.reason)
    assert (row["error"], row["error_type"]) == (b"sealed", "E")
    assert (row["executor_id"], row["lease_until"], row["queued_at"], row["ready_at"]) == (None,) * 4
    assert row["wait_until"] == (then + timedelta(seconds=30) if is_waiting else None)
    assert row["finished_at"] == (None if is_waiting else then)
    assert row["remove_at"] == (None if is_waiting else then + timedelta(seconds=60))
    assert await _logged(database) == _entry(task, transition.attempt_state, then, error=b"sealed", error_type="E")


@pytest.mark.parametrize("change", ["attempt = 2", "state = 'queued', lease_until = NULL"])
async def test_the_fence_holds_back_an_attempt_that_was_overtaken(engine: Engine, database: Any, change: str) -> None:
    task, other, third = [await insert(database, "demo.noop") for _ in range(3)]
    await _claim(engine, [task, other, third])
    await database.execute(f"UPDATE tasks SET {change} WHERE id = $1", task.id)
    before = await _row(database, task)

    held = {
        "complete": await _complete(engine, task, other),
        "failed": [row.id for row in await _finish(engine, (task, DEAD), (third, DEAD))],
    }

    assert held == {"complete": [other.id], "failed": [third.id]}
    assert await _row(database, task) == before
    logged = [row["task_id"] for row in await database.fetch("SELECT task_id FROM execution_log")]
    assert sorted(logged) == sorted([other.id, third.id])


async def test_a_task_that_would_wait_although_it_was_cancelled_comes_back(engine: Engine, database: Any) -> None:
    tasks = [await insert(database, "demo.noop") for _ in range(2)]
    await _claim(engine, tasks)
    await database.execute("UPDATE tasks SET cancel_requested_at = now()")

    held = await _finish(engine, (tasks[0], WAITING), (tasks[1], DEAD))

    assert {row.id: row.cancelled for row in held} == {tasks[0].id: True, tasks[1].id: False}
    assert (await _row(database, tasks[0]))["state"] == "running"
    assert (await _row(database, tasks[1]))["state"] == "dead"
    assert len(await database.fetch("SELECT 1 FROM execution_log")) == 1


async def test_two_finishes_of_the_same_attempts_record_each_once(engine: Engine, database: Any) -> None:
    tasks = [await insert(database, "demo.noop") for _ in range(40)]
    await _claim(engine, tasks)

    completed, finished = await asyncio.gather(
        _complete(engine, *tasks), _finish(engine, *((task, DEAD) for task in reversed(tasks)))
    )

    assert sorted([*completed, *(row.id for row in finished)]) == sorted(task.id for task in tasks)
    assert len(await database.fetch("SELECT 1 FROM execution_log")) == 40


async def test_an_absurd_removal_delay_spoils_nothing(engine: Engine, database: Any) -> None:
    completed, dead = [await insert(database, "demo.noop") for _ in range(2)]
    await database.execute("UPDATE tasks SET removal_delay = 1e300")
    await _claim(engine, [completed, dead])
    assert len(await _complete(engine, completed)) == 1
    assert len(await _finish(engine, (dead, DEAD))) == 1


async def test_only_what_this_executor_holds_at_the_hinted_attempt_is_abandoned(engine: Engine, database: Any) -> None:
    mine, theirs, newer, done = [await insert(database, "demo.noop") for _ in range(4)]
    await _claim(engine, [mine, newer, done])
    await _claim(engine, [theirs], executor_id=uuid4())
    await database.execute("UPDATE tasks SET attempt = 5 WHERE id = $1", newer.id)
    await _complete(engine, done)
    tasks = [mine, theirs, newer, done]

    async with engine.connect() as connection:
        rows = await queries.tasks_abandoned(
            connection,
            ids=[task.id for task in tasks],
            attempts=[task.attempt for task in tasks],
            executor_id=EXECUTOR,
        )

    assert [(row.id, row.attempt, row.cancel_requested) for row in rows] == [(mine.id, 1, False)]
