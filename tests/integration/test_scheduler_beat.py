"""The scheduler as the process that it is: real Celery Beat, from environment variables alone."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from redis.asyncio import Redis
from tests.integration.scheduler_rows import Rows
from tests.support import text, wait_until

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_SCHEDULER
from tidewheel_scheduler.promote import EVERY

CELERY = ("-m", "celery", "-A", "tidewheel_scheduler", "beat")
MODULE = ("-m", "tidewheel_scheduler")
QUICK = 5.0  # seconds within which a stop must be over


class Beat:
    """A running scheduler and what it writes."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self._output = output

    def output(self) -> str:
        return self._output.read_text()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    def probes(self) -> str | None:
        assert self.process.returncode is None, self.output()
        return next((str(record["probes"]) for record in self.records() if "probes" in record), None)

    async def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), QUICK)


@asynccontextmanager
async def beat(
    arguments: Sequence[str], directory: Path, database_url: str, redis_url: str, **settings: str
) -> AsyncIterator[Beat]:
    working = directory / "work"
    working.mkdir()
    environment = {
        "PATH": os.defpath,
        "TIDEWHEEL_DATABASE_URL": database_url,
        "TIDEWHEEL_REDIS_URL": redis_url,
        "TIDEWHEEL_HEALTH_PORT": "0",
        **settings,
    }
    output = directory / "output"
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=working, env=environment, stdout=sink, stderr=asyncio.subprocess.STDOUT
        )
        try:
            yield Beat(process, output)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _get(beat: Beat, path: str) -> str:
    address = await wait_until(beat.probes, timeout=20, what="the probes")

    def get() -> str:
        with urlopen(f"http://{address}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(get)


async def _move(engine: Engine, *, ahead: float) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE tasks SET wait_until = now() + make_interval(secs => :ahead), "
                "run_at = now() + make_interval(secs => :ahead)"
            ),
            {"ahead": ahead},
        )


@pytest.mark.parametrize("way", [(CELERY, signal.SIGTERM), (MODULE, signal.SIGINT)], ids=["celery", "python"])
async def test_it_promotes_and_fires_and_stops_cleanly(
    way: tuple[Sequence[str], signal.Signals],
    engine: Engine,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    arguments, number = way
    rows = Rows(engine)
    await rows.task("waiting")
    await rows.schedule()

    async def both_ready() -> bool:
        return [row["state"] for row in await rows.all_tasks()] == ["ready", "ready"]

    async with beat(arguments, tmp_path, database_url, redis_url) as running:
        try:
            await wait_until(both_ready, timeout=20, what="the promotion and the fire")
        except AssertionError as error:
            raise AssertionError(running.output()) from error

        async def both_counted() -> bool:  # after the commit
            metrics = await _get(running, "/metrics")
            return all(f"tidewheel_scheduler_{what}_total 1.0" in metrics for what in ("promoted", "fired"))

        await wait_until(both_counted, what="what was done to be counted")
        assert await running.stop(number) == 0, running.output()
        assert "Traceback" not in running.output()
        assert running.records()[-1]["event"] == "process stopped"
    assert list((tmp_path / "work").iterdir()) == []


async def test_a_task_is_promoted_at_its_time_and_the_dispatcher_hears_of_it(
    engine: Engine, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    rows = Rows(engine)
    await rows.tasks(3, "waiting", wait_until=datetime(2100, 1, 1, tzinfo=UTC))
    async with (
        beat(MODULE, tmp_path, database_url, redis_url) as running,
        Redis.from_url(redis_url) as redis,
        redis.pubsub(ignore_subscribe_messages=True) as ear,
    ):
        await ear.subscribe(WAKE_DISPATCHER)

        async def somebody_listens() -> bool:
            return bool(await redis.publish(WAKE_SCHEDULER, ""))

        async def told() -> object:
            return await ear.get_message(timeout=0.1)

        await wait_until(somebody_listens, timeout=20, what="the scheduler's subscription")
        await _move(engine, ahead=0.7)
        await redis.publish(WAKE_SCHEDULER, "")
        await wait_until(told, timeout=5, what="the dispatcher's wake-up")
        late = [(row["ready_at"] - row["run_at"]).total_seconds() for row in await rows.all_tasks()]
        assert 0 <= min(late) <= max(late) < EVERY / 2
        assert await running.stop(signal.SIGTERM) == 0


async def test_it_works_without_redis_and_outlives_lost_connections(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    rows = Rows(engine)
    await rows.task("waiting")

    async def promoted(number: int) -> bool:
        return len([row for row in await rows.all_tasks() if row["state"] == "ready"]) == number

    async with beat(CELERY, tmp_path, database_url, "redis://127.0.0.1:1/0") as running:
        await wait_until(lambda: promoted(1), timeout=20, what="the promotion")
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'tidewheel-scheduler' AND datname = current_database()"
                )
            )
        await rows.task("waiting")
        await wait_until(lambda: promoted(2), timeout=20, what="the promotion after the connections were lost")
        assert await running.stop(signal.SIGTERM) == 0, running.output()


async def test_wrong_settings_end_it_with_a_sentence(redis_url: str, tmp_path: Path) -> None:
    async with beat(CELERY, tmp_path, "mysql://nowhere", redis_url) as running:
        assert await asyncio.wait_for(running.process.wait(), 20) == 2
        assert "TIDEWHEEL_DATABASE_URL is wrong: it must start with postgresql://." in running.output()
        assert "Traceback" not in running.output()


async def test_a_loop_that_fails_ends_it_for_its_supervisor(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with beat(MODULE, tmp_path, empty_database_url, redis_url) as running:
        assert await asyncio.wait_for(running.process.wait(), 20) == 1
        assert "loop failed" in [record["event"] for record in running.records()]


async def test_a_taken_port_ends_it_with_a_sentence(database_url: str, redis_url: str, tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    async with taken:
        port = str(taken.sockets[0].getsockname()[1])
        async with beat(MODULE, tmp_path, database_url, redis_url, TIDEWHEEL_HEALTH_PORT=port) as running:
            assert await asyncio.wait_for(running.process.wait(), 20) == 2
            assert "Set TIDEWHEEL_HEALTH_PORT to a free port" in running.output()
            assert "Traceback" not in running.output()
