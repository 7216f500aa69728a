"""Rows for the scheduler's tests, and the one instant at which they happen."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from sqlalchemy import Table, insert, select
from tests.support import text

from tidewheel_common.store.engine import Engine
from tidewheel_common.store.expression import render
from tidewheel_common.store.tables import attempts, executors, fires, schedules, tasks, watch
from tidewheel_scheduler.queries import STATEMENTS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TENANT = UUID(int=1)

_SWEEPS: dict[str, dict[str, object]] = {
    "waiting": {"wait_until": NOW},
    "ready": {"ready_at": NOW},
    "queued": {"queued_at": NOW},
    "running": {"queued_at": NOW, "lease_until": NOW + timedelta(hours=1), "started_at": NOW, "attempt": 1},
    "complete": {"remove_at": NOW + timedelta(hours=1)},
}


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Wakes:
    """Counts how often somebody was woken, and with what."""

    def __init__(self) -> None:
        self.times = 0
        self.words: list[UUID] = []

    def __call__(self, words: list[UUID] | None = None) -> None:
        self.times += 1
        self.words.extend(words or [])


class Rows:
    """Writes and reads rows of a test's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def task(self, state: str, **columns: object) -> UUID:
        return (await self.tasks(1, state, **columns))[0]

    async def tasks(self, count: int, state: str, **columns: object) -> list[UUID]:
        ids = [uuid4() for _ in range(count)]
        common = {
            "tenant_id": TENANT,
            "handler": "demo.echo",
            "queue": "default",
            "priority": 1,
            "state": state,
            "payload": b"sealed",
            "max_attempts": 5,
            "removal_delay": 60.0,
            "delivery": "at_least_once",
            "run_at": NOW,
            **_SWEEPS.get(state, {}),
            **columns,
        }
        await self._insert(tasks, [{"id": task_id, **common} for task_id in ids])
        return ids

    async def schedule(self, **columns: object) -> UUID:
        schedule_id = uuid4()
        common: dict[str, object] = {
            "tenant_id": TENANT,
            "name": str(schedule_id),
            "handler": "demo.echo",
            "queue": "reports",
            "priority": 0,
            "payload": b"sealed for the schedule",
            "timezone": "UTC",
            "max_attempts": 3,
            "timeout": 30.0,
            "removal_delay": 60.0,
            "delivery": "at_most_once",
            "tags": ["eu"],
            "starts_at": NOW - timedelta(days=1),
            "next_run_at": NOW,
        }
        if "cron" not in columns:
            common["every"] = 60.0
        await self._insert(schedules, [{"id": schedule_id, **common, **columns}])
        return schedule_id

    async def executor(self, heartbeat_at: datetime, *, pid: int = 1) -> UUID:
        executor_id = uuid4()
        columns = {"hostname": "here", "pid": pid, "queues": ["*"], "handlers": [], "heartbeat_at": heartbeat_at}
        await self._insert(executors, [{"id": executor_id, **columns}])
        return executor_id

    async def attempt(self, task_id: UUID, number: int, *, finished_at: datetime) -> None:
        columns = {"tenant_id": TENANT, "state": "failed", "started_at": NOW, "finished_at": finished_at}
        await self._insert(attempts, [{"task_id": task_id, "attempt": number, **columns}])

    async def watched(self, *, since: datetime) -> None:
        """PostgreSQL has been watched for a while, until now."""
        await self._insert(watch, [{"id": 1, "since": since, "seen_at": NOW, "jumped_at": since}])

    async def all_tasks(self) -> list[Mapping[str, Any]]:
        return await self._all(tasks)

    async def all_schedules(self) -> list[Mapping[str, Any]]:
        return await self._all(schedules)

    async def all_fires(self) -> list[Mapping[str, Any]]:
        return await self._all(fires)

    async def all_attempts(self) -> list[Mapping[str, Any]]:
        return await self._all(attempts)

    async def all_executors(self) -> list[Mapping[str, Any]]:
        return await self._all(executors)

    async def task_row(self, task_id: UUID) -> Mapping[str, Any]:
        return next(row for row in await self.all_tasks() if row["id"] == task_id)

    async def schedule_row(self, schedule_id: UUID) -> Mapping[str, Any]:
        return next(row for row in await self.all_schedules() if row["id"] == schedule_id)

    async def plan(self, name: str, **values: object) -> str:
        """The plan of one of the scheduler's statements, with fresh statistics."""
        async with self._engine.begin() as connection:
            await connection.execute(text("ANALYZE"))
            lines = await connection.execute(text(f"EXPLAIN {STATEMENTS[name].sql}"), values)
            return "\n".join(lines.scalars())

    async def _all(self, table: Table) -> list[Mapping[str, Any]]:
        async with self._engine.connect() as connection:
            return [dict(row) for row in await connection.execute(render(select(table)))]

    async def _insert(self, table: Table, rows: list[dict[str, object]]) -> None:
        async with self._engine.begin() as connection:
            for start in range(0, len(rows), 500):
                await connection.execute(render(insert(table).values(rows[start : start + 500])))


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0
