"""A child of the executor without Celery's worker around it: real PostgreSQL and Valkey, batches called by hand."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from celery import Celery, signals
from tests.support import wait_until
from uuid_utils.compat import uuid7

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer, Subject
from tidewheel_common.streams.bundle import Bundle
from tidewheel_common.streams.hint import Hint
from tidewheel_executor import demo
from tidewheel_executor.batch import Durations
from tidewheel_executor.child import Birth, Child
from tidewheel_executor.claim import Terms

HANDLERS = demo
"""Shared tasks: importing them makes every app serve them."""

KEYRING = Keyring({"test": bytes(range(32))})
SEALER = Sealer(KEYRING)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

_INSERT = """
    INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, removal_delay, delivery,
        run_at, queued_at, attempt, failures, lost, timeout, backoff, expires_at, cancel_requested_at, schedule_id)
    VALUES ($1, $2, $3, 'default', 1, 'queued', $4, $5, 60, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A task as its hint knows it."""

    id: UUID
    tenant_id: UUID
    handler: str
    attempt: int

    @property
    def hint(self) -> Hint:
        return Hint(self.id, self.attempt, self.handler)


async def insert(
    connection: Any,
    handler: str,
    payload: Any = None,
    *,
    sealer: Sealer = SEALER,
    sealed: bytes | None = None,
    max_attempts: int = 5,
    delivery: str = "at_least_once",
    attempt: int = 0,
    failures: int = 0,
    lost: int = 0,
    timeout: float | None = None,
    backoff: dict[str, float] | None = None,
    expires_at: datetime | None = None,
    cancel_requested_at: datetime | None = None,
    schedule_id: UUID | None = None,
) -> Queued:
    """Insert a queued task."""
    task = Queued(id=UUID(int=uuid7().int), tenant_id=uuid4(), handler=handler, attempt=attempt)
    text = json.dumps({} if payload is None else payload).encode()
    subject = Subject.task(task.id) if schedule_id is None else Subject.schedule(schedule_id)
    stored = sealed or sealer.seal(text, tenant=task.tenant_id, subject=subject, field="payload")
    policy = None if backoff is None else json.dumps(backoff)
    numbers = (attempt, failures, lost, timeout, policy)
    times = (expires_at, cancel_requested_at, schedule_id)
    head = (task.id, task.tenant_id, handler, stored, max_attempts, delivery, LONG_AGO)
    await connection.execute(_INSERT, *head, *numbers, *times)
    return task


class World:
    """One child, its app and its database. For tests that are no coroutines: the child enters its own event loop."""

    def __init__(
        self, database_url: str, redis_url: str, *, terms: Terms | None = None, orders: Path | None = None
    ) -> None:
        self._runner = asyncio.Runner()
        self._database: asyncpg.Connection = self.wait(asyncpg.connect(database_url))
        self.app = Celery("tests", broker="memory://", set_as_current=False)
        self.terms = terms or Terms(executor_id=uuid4())
        self.child = Child(
            self.app,
            Birth(
                database_url=database_url,
                redis_url=redis_url,
                keyring=KEYRING,
                terms=self.terms,
                hostname="executor@tests",
                orders=orders,
                jitter=lambda: 0.5,
            ),
        )

    def handler(self, **options: Any) -> Callable[[Callable[..., object]], Any]:
        """Make a handler of this world's app alone."""
        decorate: Callable[[Callable[..., object]], Any] = self.app.task(shared=False, **options)
        return decorate

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def fetch(self, query: str, *arguments: object) -> list[Any]:
        rows: list[Any] = self.wait(self._database.fetch(query, *arguments))
        return rows

    def until(self, query: str, *arguments: object, what: str) -> None:
        """Wait until a query answers true; inside of a `def` handler too."""
        self.wait(wait_until(lambda: self._database.fetchval(query, *arguments), what=what))

    def queue(self, handler: str, payload: Any = None, **columns: Any) -> Queued:
        task: Queued = self.wait(insert(self._database, handler, payload, **columns))
        return task

    def owed(self) -> int:
        """Count what the watch has taken from the batch and not given back yet."""
        rest = self.child._watch._rest
        return 0 if rest is None else len(rest.owed)

    def run(self, *tasks: Queued) -> Durations:
        return self.execute(*(task.hint for task in tasks))

    def execute(self, *hints: Hint) -> Durations:
        return self.child.execute([Bundle.of([hint]).text for hint in hints])

    def row(self, task: Queued) -> Any:
        return self.fetch("SELECT * FROM tasks WHERE id = $1", task.id)[0]

    def attempts(self, task: Queued) -> list[Any]:
        return self.fetch("SELECT * FROM execution_log WHERE task_id = $1 ORDER BY attempt", task.id)

    def result(self, task: Queued) -> Any:
        sealed = self.row(task)["result"]
        return None if sealed is None else json.loads(self._open(task, sealed, "result"))

    def error(self, task: Queued) -> str:
        return self._open(task, self.row(task)["error"], "error").decode()

    def _open(self, task: Queued, sealed: bytes, field: str) -> bytes:
        return SEALER.open(sealed, tenant=task.tenant_id, task_id=task.id, schedule_id=None, field=field)

    def finish(self, handler: str, payload: Any = None, **columns: Any) -> Any:
        """Queue one task, run it, and return its row."""
        task = self.queue(handler, payload, **columns)
        self.run(task)
        return self.row(task)

    def close(self) -> None:
        self.child.close()
        self.wait(self._database.close())
        self._runner.close()


@contextmanager
def opened_world(database_url: str, redis_url: str, **options: Any) -> Iterator[World]:
    """Make a world, and close it."""
    world = World(database_url, redis_url, **options)
    try:
        yield world
    finally:
        world.close()


@contextmanager
def nothing_published() -> Iterator[None]:
    """Hold that no Celery message leaves meanwhile."""
    published: list[str] = []

    def note(sender: str, **_: Any) -> None:
        published.append(sender)

    signals.before_task_publish.connect(note)
    try:
        yield
    finally:
        signals.before_task_publish.disconnect(note)
    assert published == []
