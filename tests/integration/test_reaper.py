"""The reaper on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Table, func, insert, select
from tests.support import text

from tidewheel_common.core.lifecycle import FINAL, SWEEP_COLUMNS, State
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.store.expression import render
from tidewheel_common.store.sql import load_statements
from tidewheel_common.store.tables import attempts, fires, idempotency_keys, tasks
from tidewheel_reaper import queries
from tidewheel_reaper.forget import FIRES_AGE, Forget
from tidewheel_reaper.metrics import ReaperMetrics
from tidewheel_reaper.remove import SHORTEST_PAUSE, Remove

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=31)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Engine]:
    engine = open_engine(database_url, application_name="test")
    yield engine
    await engine.dispose()


async def add(store: Engine, table: Table, *rows: dict[str, Any]) -> None:
    async with store.connect() as connection:
        for start in range(0, len(rows), 500):
            await connection.execute(render(insert(table).values(rows[start : start + 500])))


async def count(store: Engine, table: Table) -> int:
    async with store.connect() as connection:
        return int((await connection.execute(render(select(func.count()).select_from(table)))).scalar_one())


def task(state: State, at: datetime = NOW, **columns: object) -> dict[str, Any]:
    """A task whose every sweep column is due, as far as its state has them."""
    sweeps = {column: at for column, states in SWEEP_COLUMNS.items() if state in states}
    common: dict[str, Any] = {
        "id": uuid4(),
        "tenant_id": UUID(int=1),
        "handler": "demo.echo",
        "queue": "default",
        "priority": 1,
        "state": state.value,
        "payload": b"sealed",
        "max_attempts": 5,
        "removal_delay": 60.0,
        "delivery": "at_least_once",
        "run_at": at,
    }
    return {**common, **sweeps, **columns}


def attempt(task_id: UUID, number: int) -> dict[str, Any]:
    return {"task_id": task_id, "attempt": number, "tenant_id": UUID(int=1), "state": "failed", "finished_at": NOW}


@pytest.mark.parametrize("state", list(State))
async def test_only_what_is_final_is_deleted(store: Engine, state: State) -> None:
    await add(store, tasks, task(state))
    async with store.connect() as connection:
        assert await queries.tasks_remove(connection, most=10, now=NOW) == (state in FINAL)
    assert await count(store, tasks) == (state not in FINAL)


async def test_a_task_stays_until_its_very_instant(store: Engine) -> None:
    await add(store, tasks, task(State.COMPLETE))
    async with store.connect() as connection:
        just_before = NOW - timedelta(microseconds=1)
        assert await queries.tasks_remove(connection, most=10, now=just_before) == 0
        assert await queries.tasks_next_removal(connection, now=NOW - timedelta(seconds=3)) == 3.0
        assert await queries.tasks_remove(connection, most=10, now=NOW) == 1
        assert await queries.tasks_next_removal(connection, now=NOW) is None


async def test_attempts_go_with_their_task_and_only_with_it(store: Engine) -> None:
    gone, kept = task(State.DEAD), task(State.WAITING)
    await add(store, tasks, gone)
    await add(store, tasks, kept)
    await add(store, attempts, attempt(gone["id"], 1), attempt(gone["id"], 2), attempt(kept["id"], 1))
    async with store.connect() as connection:
        await queries.tasks_remove(connection, most=10, now=NOW)
        left = (await connection.execute(render(select(attempts.c.task_id)))).scalars()
    assert left == [kept["id"]]


async def test_a_tick_deletes_one_batch_and_asks_for_another(store: Engine) -> None:
    registry = CollectorRegistry()
    remove = Remove(store, ReaperMetrics(registry), batch=4)
    await add(store, tasks, *(task(State.COMPLETE, LONG_AGO) for _ in range(9)))
    assert await remove.tick() == AGAIN
    assert await count(store, tasks) == 5
    assert await remove.tick() == AGAIN
    assert await remove.tick() is None
    assert await count(store, tasks) == 0
    assert registry.get_sample_value("tidewheel_reaper_removed_total") == 9


async def test_the_pause_ends_when_the_next_task_may_go(store: Engine) -> None:
    remove = Remove(store, ReaperMetrics(CollectorRegistry()))
    row = task(State.CANCELLED, remove_at=None)
    async with store.connect() as connection:
        due = func.clock_timestamp() + timedelta(seconds=30)
        await connection.execute(render(insert(tasks).values({**row, "remove_at": due})))
    pause = await remove.tick()
    assert pause is not None
    assert 20 < pause <= 30


async def test_a_task_that_somebody_holds_is_left_for_later_and_the_others_go(store: Engine) -> None:
    held, other = task(State.DEAD, LONG_AGO), task(State.COMPLETE, LONG_AGO)
    await add(store, tasks, held, other)
    remove = Remove(store, ReaperMetrics(CollectorRegistry()))
    async with store.connect() as connection:
        await connection.execute(text("BEGIN"))
        await connection.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": held["id"]})
        assert await remove.tick() == SHORTEST_PAUSE
        assert await count(store, tasks) == 1
        await connection.execute(text("ROLLBACK"))
    assert await remove.tick() is None
    assert await count(store, tasks) == 0


async def test_an_expired_key_goes_only_after_its_tasks(store: Engine) -> None:
    living = task(State.WAITING)
    await add(store, tasks, living)

    def key(name: str, *task_ids: UUID, expires_at: datetime) -> dict[str, Any]:
        return {
            "tenant_id": UUID(int=1),
            "key": name,
            "fingerprint": b"f",
            "task_ids": list(task_ids),
            "accepted_at": LONG_AGO,
            "expires_at": expires_at,
        }

    await add(
        store,
        idempotency_keys,
        key("over", uuid4(), expires_at=NOW),
        key("needed", uuid4(), living["id"], expires_at=NOW),
        key("fresh", uuid4(), expires_at=NOW + timedelta(seconds=1)),
    )
    async with store.connect() as connection:
        assert await queries.idempotency_keys_remove(connection, most=10, keep=60.0, now=NOW) == 2
        rows = {row.key: row.expires_at for row in await connection.execute(render(select(idempotency_keys)))}
    assert rows == {"needed": NOW + timedelta(seconds=60), "fresh": NOW + timedelta(seconds=1)}


async def test_old_fires_go_in_batches_whichever_schedule_they_are_of(store: Engine) -> None:
    one, two = uuid4(), uuid4()

    def fire(schedule_id: UUID, minutes: int, since: datetime) -> dict[str, Any]:
        at = since + timedelta(minutes=minutes)
        return {
            "schedule_id": schedule_id,
            "nominal_at": at,
            "tenant_id": UUID(int=1),
            "task_id": uuid4(),
            "fired_at": at,
        }

    await add(store, fires, *(fire(schedule, minute, LONG_AGO) for schedule in (one, two) for minute in range(5)))
    await add(store, fires, fire(one, 0, NOW), {**fire(two, 9, LONG_AGO), "fired_at": NOW})
    async with store.connect() as connection:
        assert await queries.fires_remove(connection, most=7, age=FIRES_AGE, now=NOW) == 7
        assert await queries.fires_remove(connection, most=7, age=FIRES_AGE, now=NOW) == 3
    assert await count(store, fires) == 2


async def test_forgetting_runs_until_nothing_is_old(store: Engine) -> None:
    forget = Forget(store, ReaperMetrics(CollectorRegistry()), batch=2)
    old = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [
        {"schedule_id": uuid4(), "nominal_at": old, "tenant_id": UUID(int=1), "task_id": uuid4(), "fired_at": old}
        for _ in range(3)
    ]
    await add(store, fires, *rows)
    assert await forget.tick() == AGAIN
    assert await forget.tick() is None
    assert await count(store, fires) == 0


async def test_removal_uses_its_index(store: Engine) -> None:
    await add(store, tasks, *(task(State.COMPLETE, LONG_AGO) for _ in range(5)))
    async with store.connect() as connection:
        await connection.execute(
            text(
                "INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, "
                "removal_delay, delivery, run_at, ready_at) SELECT gen_random_uuid(), gen_random_uuid(), 'demo.echo', "
                "'default', 1, 'ready', 'sealed', 5, 60, 'at_least_once', now(), now() FROM generate_series(1, 20000)"
            )
        )
        await connection.execute(text("ANALYZE"))
        sql = load_statements("tidewheel_reaper")["tasks_remove"].sql
        plan = (await connection.execute(text(f"EXPLAIN {sql}"), {"now": NOW, "most": 1000, "keep": 60})).scalars()
    assert any("using tasks_removable" in line for line in plan)
    assert not any("Seq Scan on tasks" in line for line in plan)
