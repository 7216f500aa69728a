"""A dispatcher in pieces, for tests: its verbs on real servers, a clock that a test sets, and rows to start from."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from sqlalchemy import ColumnElement, func, insert, select, update
from tests.support import text

from tidewheel_common.core.task import Priority
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine, Plans, open_engine
from tidewheel_common.store.expression import render
from tidewheel_common.store.sql import load_statements
from tidewheel_common.store.tables import executors, queues, tasks, watch
from tidewheel_common.streams.bundle import FIELD, read_bundles
from tidewheel_common.streams.client import Redis, open_redis
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import GROUP, stream_key
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.overdue import Overdue
from tidewheel_dispatcher.rehydrate import Rehydrate
from tidewheel_dispatcher.relay import BUDGET, Relay
from tidewheel_dispatcher.served import Roster
from tidewheel_dispatcher.slots import Slots
from tidewheel_dispatcher.unpark import Unpark
from tidewheel_dispatcher.withdraw import Withdraw

TENANT = UUID(int=1)


def ago(seconds: float) -> ColumnElement[Any]:
    """An instant by the database's clock."""
    return func.clock_timestamp() - timedelta(seconds=seconds)


_SWEEPS: dict[str, dict[str, object]] = {
    "ready": {"ready_at": ago(1)},
    "queued": {"queued_at": ago(1)},
    "running": {"queued_at": ago(1), "lease_until": ago(-60), "attempt": 1},
}


class Rig:
    """One dispatcher. Two of them on the same servers are two processes."""

    def __init__(self, engine: Engine, hot: Engine, redis: Redis, *, budget: int = BUDGET, age: float = 30.0) -> None:
        self.engine = engine
        self.redis = redis
        self.time = 100.0
        self.wake, self.suspect = asyncio.Event(), asyncio.Event()
        self.registry = CollectorRegistry()
        metrics = DispatcherMetrics(self.registry)
        self.roster = Roster(engine, stale=15.0, clock=lambda: self.time, refresh=0.0)
        self.relay = Relay(
            engine, hot, redis, self.roster, metrics, suspect=self.suspect, budget=budget, clock=lambda: self.time
        )
        self.withdraw = Withdraw(engine, metrics)
        self.slots = Slots(engine, wake=self.wake)
        self.unpark = Unpark(engine, self.roster, metrics)
        self.rehydrate = Rehydrate(engine, redis, metrics, wake=self.wake)
        self.overdue = Overdue(engine, redis, metrics, age=age, wake=self.wake)

    async def settle(self) -> None:
        """Let the watch over Redis find nothing more to do."""
        while await self.rehydrate.tick() == AGAIN:
            continue

    async def relayed(self) -> float | None:
        """Let the relay tick until it would pause, and return for how long."""
        while (pause := await self.relay.tick()) == AGAIN:
            continue
        return pause

    async def executor(self, *handlers: str, queues: tuple[str, ...] = ("*",), silent: float = 0.0) -> UUID:
        """Let an executor live."""
        executor_id = uuid4()
        row = {"id": executor_id, "hostname": "here", "pid": 1, "queues": list(queues), "handlers": list(handlers)}
        async with self.engine.connect() as connection:
            await connection.execute(render(insert(executors).values(**row, heartbeat_at=ago(silent))))
        return executor_id

    async def jumped(self) -> None:
        """Let the schedulers note a jump of the clock."""
        async with self.engine.connect() as connection:
            await connection.execute(render(insert(watch).values(id=1, since=ago(0), seen_at=ago(0), jumped_at=ago(0))))

    async def gone(self, executor_id: UUID) -> None:
        """Let an executor leave."""
        async with self.engine.connect() as connection:
            await connection.execute(render(executors.delete().where(executors.c.id == executor_id)))

    async def tasks(self, count: int, state: str = "ready", **columns: object) -> list[UUID]:
        """Write tasks; their ids grow."""
        common: dict[str, object] = {
            "tenant_id": TENANT,
            "handler": "demo.echo",
            "queue": "default",
            "priority": 1,
            "state": state,
            "payload": b"sealed",
            "max_attempts": 5,
            "removal_delay": 60.0,
            "delivery": "at_least_once",
            "run_at": ago(60),
            **_SWEEPS[state],
            **columns,
        }
        ids = sorted(uuid4() for _ in range(count))
        values = [{"id": task_id, **common} for task_id in ids]
        async with self.engine.connect() as connection:
            for start in range(0, count, 500):
                await connection.execute(render(insert(tasks).values(values[start : start + 500])))
        return ids

    async def history(self, count: int) -> None:
        """Write tasks that are over, many at once."""
        async with self.engine.connect() as connection:
            await connection.execute(
                text(
                    "INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, "
                    "removal_delay, delivery, run_at, remove_at) "
                    "SELECT gen_random_uuid(), gen_random_uuid(), 'demo.echo', 'default', 1, 'complete', 'sealed', 5, "
                    "60, 'at_least_once', now(), now() + interval '1 day' FROM generate_series(1, :count)"
                ),
                {"count": count},
            )

    async def set(self, task_id: UUID, **columns: object) -> None:
        """Change a row behind the dispatcher's back."""
        async with self.engine.connect() as connection:
            await connection.execute(render(update(tasks).where(tasks.c.id == task_id).values(**columns)))

    async def valve(self, name: str = "default", **columns: object) -> None:
        """Set what keeps a queue back, as the gateway would."""
        async with self.engine.connect() as connection:
            await connection.execute(render(queues.delete().where(queues.c.name == name)))
            await connection.execute(render(insert(queues).values(name=name, **columns)))

    async def age(self, seconds: float = 60.0) -> None:
        """Let all that is queued have been queued a while ago."""
        async with self.engine.connect() as connection:
            await connection.execute(
                render(update(tasks).where(tasks.c.state == "queued").values(queued_at=ago(seconds)))
            )

    async def row(self, task_id: UUID) -> Mapping[str, Any]:
        """Read a task."""
        async with self.engine.connect() as connection:
            return dict((await connection.execute(render(select(tasks).where(tasks.c.id == task_id)))).one())

    async def states(self) -> dict[str, int]:
        """Count the tasks by state."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(render(select(tasks.c.state, func.count()).group_by(tasks.c.state)))
            return {row[0]: row[1] for row in rows}

    async def hints(self, queue: str = "default", priority: Priority = Priority.MEDIUM) -> list[Hint]:
        """Read everything that a stream holds, in its order."""
        entries: Any = await self.redis.xrange(stream_key(queue, priority))
        return read_bundles(fields[FIELD].decode() for _, fields in entries)

    async def read(self, count: int, queue: str = "default", priority: Priority = Priority.MEDIUM) -> list[Hint]:
        """Read as an executor does, and acknowledge nothing."""
        reply: Any = await self.redis.xreadgroup(GROUP, "executor", {stream_key(queue, priority): ">"}, count=count)
        return read_bundles(fields[FIELD].decode() for _, entries in reply for _, fields in entries)

    def count(self, name: str) -> float:
        """Read one of the dispatcher's counters."""
        return self.registry.get_sample_value(f"tidewheel_dispatcher_{name}_total") or 0.0

    async def plan(self, name: str, *, analysed: bool = True, **parameters: object) -> str:
        """Return the plan of a statement, with fresh statistics or with those that there are."""
        statement = load_statements("tidewheel_dispatcher")[name]
        async with self.engine.connect() as connection:
            if analysed:
                await connection.execute(text("ANALYZE"))
            lines = await connection.execute(text(f"EXPLAIN {statement.sql}"), parameters)
            return "\n".join(lines.scalars())


@asynccontextmanager
async def opened_rig(database_url: str, redis_url: str, **options: Any) -> AsyncIterator[Rig]:
    """Open a dispatcher of its own."""
    engine = open_engine(database_url, application_name="test", synchronous_commit=False)
    hot = open_engine(database_url, application_name="test", synchronous_commit=False, plans=Plans.KEPT)
    redis = open_redis(redis_url, client_name="test")
    try:
        yield Rig(engine, hot, redis, **options)
    finally:
        await redis.aclose()
        await hot.dispose()
        await engine.dispose()
