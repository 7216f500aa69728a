"""A real worker on a real Valkey: how messages come, are acknowledged, come back, and outlive trouble.

The worker's `tidewheel.execute` is a throw-away one that only writes down what it was given.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from tests.integration.throwaway import LOST, MARK, RAN
from tests.support import text, wait_until

from tidewheel_cli.embedded.program import Server, running
from tidewheel_cli.embedded.valkey import prepare_valkey
from tidewheel_common.core.task import Priority
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import GROUP, stream_keys
from tidewheel_common.streams.stream import Addressed, Line, depths, in_flight, lines_of, push

PATIENCE = 20.0  # seconds


@dataclass
class Worker:
    """A worker, and its Valkey, which can be stopped and started."""

    server: Server
    environment: dict[str, str]
    output: Path
    redis: Redis
    valkey: AsyncExitStack
    process: asyncio.subprocess.Process | None = None
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def start(self) -> None:
        with self.output.open("ab") as sink:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.integration.throwaway_worker"),
                env=self.environment,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
            )
        await wait_until(lambda: "ready." in self.log(), timeout=PATIENCE, what="the worker's start")

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def submit(
        self, handler: str, times: int = 1, *, queue: str = "default", level: Priority = Priority.MEDIUM, **more: Any
    ) -> list[str]:
        hints = self.hints(handler, times, queue=queue, level=level, **more)
        await push(self.redis, hints)
        return [hint.task_id.hex for _, hint in hints]

    def hints(
        self, handler: str, times: int, *, queue: str = "default", level: Priority = Priority.MEDIUM, **more: Any
    ) -> list[Addressed]:
        new = [Hint(task_id=UUID(int=next(self.numbers)), attempt=0, handler=handler, **more) for _ in range(times)]
        return [Addressed(Line(queue, level), hint) for hint in new]

    async def messages(self) -> list[list[str]]:
        """The task ids of each message that a child has taken up."""
        written: Any = await self.redis.lrange(RAN, 0, -1)
        return [json.loads(each)["hints"] for each in written]

    async def ran(self) -> list[str]:
        return [task_id for message in await self.messages() for task_id in message]

    async def lost(self) -> list[str]:
        written: Any = await self.redis.lrange(LOST, 0, -1)
        return [each.decode() for each in written]

    async def until_ran(self, ids: Sequence[str]) -> None:
        async def all_ran() -> bool:
            return set(ids) <= set(await self.ran())

        await wait_until(all_ran, timeout=PATIENCE, what=f"the run of {len(ids)} tasks")

    async def until_empty(self, *queues: str) -> None:
        async def empty() -> bool:
            found = await depths(self.redis, lines_of(queues or ["default"]))
            return not any(depth.entries for depth in found.values())

        await wait_until(empty, timeout=PATIENCE, what="the end of every entry")

    async def until_lost(self, ids: Sequence[str]) -> None:
        async def all_lost() -> bool:
            return sorted(await self.lost()) == sorted(ids)

        await wait_until(all_lost, timeout=PATIENCE, what="the report of what was lost")

    async def silence_at_age(self, seconds: float) -> float:
        """Wait until the oldest pending entry is that old; return for how many seconds nobody has held it."""
        found: Any = None

        async def old() -> bool:
            nonlocal found
            (found,) = await self.redis.xpending_range(stream_keys("default")[1], GROUP, "-", "+", 1)
            now, _ = await self.redis.time()
            return now - int(found["message_id"].split(b"-")[1]) // 1000 / 1e6 > seconds

        await wait_until(old, timeout=PATIENCE, what=f"an entry that is {seconds} s old")
        return float(found["time_since_delivered"]) / 1000

    async def kill_connections(self) -> None:
        for kind in ("normal", "pubsub"):
            await self.redis.execute_command("CLIENT", "KILL", "TYPE", kind)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def celery(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "celery", "-A", "tidewheel_executor", *arguments),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        return output.decode()

    def log(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""


@asynccontextmanager
async def working(directory: Path, database_url: str, **settings: str) -> AsyncIterator[Worker]:
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(AsyncExitStack())
        server = await prepare_valkey(directory / "valkey", durable=False)
        await valkey.enter_async_context(running(server.program))
        redis = await stack.enter_async_context(Redis.from_url(server.url))
        worker = Worker(
            server=server,
            environment={
                "PATH": os.defpath,
                "TMPDIR": str(directory),
                "TIDEWHEEL_DATABASE_URL": database_url,
                "TIDEWHEEL_REDIS_URL": server.url,
                "TIDEWHEEL_KEYS": "test:" + "A" * 43,
                "TIDEWHEEL_HANDLERS": "tests.integration.throwaway",
                "TIDEWHEEL_HEALTH_PORT": "0",
                "TIDEWHEEL_CONCURRENCY": "3",
                "TIDEWHEEL_EXECUTOR_HEARTBEAT": "0.2",
                **settings,
            },
            output=directory / "worker.log",
            redis=redis,
            valkey=valkey,
        )
        await worker.start()
        try:
            yield worker
        finally:
            if worker.process is not None and worker.process.returncode is None:
                worker.process.kill()
                await worker.process.wait()


@pytest.fixture
async def worker(tmp_path: Path, database_url: str) -> AsyncIterator[Worker]:
    async with working(tmp_path, database_url) as running_worker:
        yield running_worker


async def test_short_tasks_are_packed_and_every_entry_is_acknowledged(worker: Worker) -> None:
    await worker.until_ran(await worker.submit("t.short", 3))
    ids = await worker.submit("t.short", 2000)
    await worker.until_ran(ids)
    await worker.until_empty()
    assert sorted(set(await worker.ran())) == sorted(await worker.ran())  # none came twice
    assert max(len(message) for message in await worker.messages()) > 50
    for stream in stream_keys("default"):
        assert (await worker.redis.xpending(stream, GROUP))["pending"] == 0


async def test_celery_can_be_inspected_while_it_works(worker: Worker) -> None:
    (task,) = await worker.submit("t.wait")
    await worker.until_ran([task])
    assert "pong" in await worker.celery("inspect", "ping")
    active = await worker.celery("inspect", "active")
    assert task in active
    assert f"{UUID(hex=task)}-1" in active
    stats = await worker.celery("inspect", "stats")
    assert '"prefetch_count": 3' in stats
    assert '"stashed": 0' in stats
    assert worker.server.url not in stats + await worker.celery("inspect", "conf")
    await worker.redis.set(MARK, 1)
    await worker.until_empty()


async def test_a_waiting_task_of_high_priority_overtakes(tmp_path: Path, database_url: str) -> None:
    """With one child: two would say in any order what they have run."""
    async with working(tmp_path, database_url, TIDEWHEEL_CONCURRENCY="1") as worker:
        blocking = await worker.submit("t.wait")
        await worker.until_ran(blocking)
        low = await worker.submit("t.short", 3, level=Priority.LOW)
        high = await worker.submit("t.short", 3, level=Priority.HIGH)
        await worker.redis.set(MARK, 1)
        await worker.until_ran(low)
        ran = await worker.ran()
        assert max(ran.index(task) for task in high) < min(ran.index(task) for task in low)


async def test_a_worker_takes_no_more_than_its_children_can_start(worker: Worker) -> None:
    ids = await worker.submit("t.wait", 10)
    await worker.until_ran(ids[:2])
    assert sum((await in_flight(worker.redis, lines_of(["default"]))).values()) == 2
    await worker.redis.set(MARK, 1)
    await worker.until_ran(ids)
    await worker.until_empty()


async def test_an_emptied_redis_does_not_stop_the_worker(worker: Worker) -> None:
    running_tasks = await worker.submit("t.wait")
    await worker.until_ran(running_tasks)
    await worker.redis.flushall()
    await worker.redis.set(MARK, 1)
    await worker.until_ran(await worker.submit("t.short", 50))
    await worker.until_empty()
    assert worker.process is not None
    assert worker.process.returncode is None


async def test_killed_connections_come_back(worker: Worker) -> None:
    for _ in range(3):
        await worker.until_ran(await worker.submit("t.short", 5))
        await worker.kill_connections()
    ids = await worker.submit("t.short", 50)
    await worker.until_ran(ids)
    await worker.until_empty()


async def test_what_runs_through_a_reconnect_is_acknowledged_after_it(worker: Worker) -> None:
    ids = await worker.submit("t.wait", 2)
    await worker.until_ran(ids)
    connected = worker.log().count("Connected to")
    await worker.kill_connections()
    more = await worker.submit("t.short", 5)
    await wait_until(lambda: worker.log().count("Connected to") > connected, timeout=PATIENCE, what="the reconnect")
    await worker.redis.set(MARK, 1)
    await worker.until_ran(more)
    await worker.until_empty()
    assert sorted(await worker.ran()) == sorted([*ids, *more])  # nothing ran twice


async def test_a_restarted_redis_is_found_again(worker: Worker) -> None:
    await worker.until_ran(await worker.submit("t.short", 5))
    await worker.valkey.aclose()
    with pytest.raises(RedisConnectionError):
        await worker.redis.ping()
    await wait_until(lambda: "redis is away" in worker.log(), timeout=PATIENCE, what="the loss to be noticed")
    async with running(worker.server.program):
        ids = await worker.submit("t.short", 50)
        await worker.until_ran(ids)
        await worker.until_empty()
        assert await worker.stop() == 0


async def test_the_tasks_of_a_dead_child_are_reported_and_the_others_go_on(worker: Worker) -> None:
    crashing = await worker.submit("t.crash")
    others = await worker.submit("t.short", 20)
    await worker.until_lost(crashing)
    await worker.until_ran(others)
    await worker.until_empty()
    assert (await worker.ran()).count(crashing[0]) == 1


async def test_a_task_beyond_its_hard_limit_is_killed_and_reported(tmp_path: Path, database_url: str) -> None:
    async with working(tmp_path, database_url, TIDEWHEEL_TIMEOUT_GRACE="0.3") as worker:
        hanging = await worker.submit("t.hang", timeout=0.2)
        await worker.until_lost(hanging)
        await worker.until_ran(await worker.submit("t.short", 5))
        await worker.until_empty()


async def test_an_entry_of_an_unknown_handler_is_acknowledged_without_a_word(worker: Worker) -> None:
    await worker.until_ran(await worker.submit("t.short"))
    before = worker.log()
    await worker.submit("nobody.has.it", 3)
    await worker.until_ran(await worker.submit("t.short", 2))
    await worker.until_empty()
    assert worker.log() == before
    assert len(await worker.ran()) == 3


async def test_a_stopping_worker_finishes_what_it_holds_and_leaves_the_rest(worker: Worker, engine: Engine) -> None:
    await wait_until(lambda: executors(engine), timeout=PATIENCE, what="the executor's row")
    held = await worker.submit("t.wait", 2)
    await worker.until_ran(held)
    left = await worker.submit("t.short", 5)
    stopping = asyncio.create_task(worker.stop())
    await wait_until(lambda: "Warm shutdown" in worker.log(), timeout=PATIENCE, what="the warm shutdown")
    assert await executors(engine) == 1  # it still holds something
    await worker.redis.set(MARK, 1)
    assert await stopping == 0
    assert await executors(engine) == 0
    assert sorted(await worker.ran()) == held
    found = await depths(worker.redis, lines_of(["default"]))
    assert sum(depth.unread for depth in found.values()) == len(left)
    for stream in stream_keys("default"):
        assert await worker.redis.xinfo_consumers(stream, GROUP) == []


async def test_what_a_killed_worker_held_goes_to_the_next_one(tmp_path: Path, database_url: str) -> None:
    async with working(tmp_path, database_url, TIDEWHEEL_ABANDONED_AFTER="1") as worker:
        held = await worker.submit("t.wait", 2)
        await worker.until_ran(held)
        assert worker.process is not None
        worker.process.kill()
        await worker.process.wait()
        worker.output.unlink()
        await worker.redis.delete(RAN)
        await worker.redis.set(MARK, 1)
        await worker.start()
        await worker.until_ran(held)
        await worker.until_empty()


async def test_what_runs_long_is_not_taken_for_abandoned(tmp_path: Path, database_url: str) -> None:
    async with working(tmp_path, database_url, TIDEWHEEL_ABANDONED_AFTER="1") as worker:
        held = await worker.submit("t.wait")
        await worker.until_ran(held)
        silent = await worker.silence_at_age(2.5)
        assert silent < 1.0
        assert await worker.ran() == held
        await worker.redis.set(MARK, 1)
        await worker.until_empty()


async def test_a_row_says_what_the_executor_serves(worker: Worker, engine: Engine) -> None:
    assert worker.process is not None

    async def row() -> Any:
        async with engine.connect() as connection:
            return (await connection.execute(text("SELECT pid, queues, handlers FROM executors"))).one_or_none()

    found = await wait_until(row, timeout=PATIENCE, what="the executor's row")
    assert (found.pid, found.queues) == (worker.process.pid, ["*"])
    ours = ["t.crash", "t.fragile", "t.hang", "t.short", "t.wait"]
    assert found.handlers == sorted([*ours, "http.request", "notify.slack", "notify.webhook", "tidewheel.canary"])


async def test_a_new_queue_is_found_and_served(worker: Worker) -> None:
    await worker.until_ran(await worker.submit("t.short", queue="reports"))
    await worker.until_empty("reports")


async def test_a_users_own_app_keeps_its_tasks_and_gets_our_broker(tmp_path: Path, database_url: str) -> None:
    own = {"TIDEWHEEL_CELERY_APP": "tests.integration.own_app:app", "TIDEWHEEL_HANDLERS": ""}
    # Celery itself prefers these to every setting.
    own |= dict.fromkeys(("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL"), "amqp://nowhere.invalid")
    async with working(tmp_path, database_url, **own) as worker:
        await worker.until_ran(await worker.submit("own.short"))
        await worker.until_empty()


async def test_a_module_that_is_not_there_is_named(worker: Worker) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_executor"),
        env={**worker.environment, "TIDEWHEEL_HANDLERS": "no.such.module"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().startswith("The handlers cannot be imported: No module named 'no'. Check TIDEWHEEL_HANDLERS")


async def test_a_task_sent_with_celerys_own_delay_is_refused_in_words(worker: Worker) -> None:
    output = await worker.celery("call", "t.short")
    assert "submit it through the HTTP API" in output
    assert await worker.redis.exists("default") == 0


async def executors(engine: Engine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM executors"))).scalar_one())
