"""PgQueuer: one statement enqueues a batch, one fetches a batch, one completes a batch."""

import asyncio
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from tests.bench.peers.program import run, settings, surroundings
from tests.bench.peers.record import ran

ENQUEUE = 1_000

_runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _queries() -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(surroundings()["DATABASE_URL"])))


def prepare() -> None:
    async def install() -> None:
        queries = await _queries()
        await queries.install()
        await queries.optimize_autovacuum()

    _runner.run(install())


async def _handle(job: Job) -> None:
    ran(int(job.payload or b"0"))


def work() -> None:
    async def consume() -> None:
        consumer = PgQueuer((await _queries()).driver)
        consumer.entrypoint("noop")(_handle)
        await consumer.run(batch_size=settings()["batch"], log_aggregation_interval=timedelta(0))

    _runner.run(consume())


_producer: list[Queries] = []


async def _producing() -> Queries:
    if not _producer:
        _producer.append(await _queries())
    return _producer[0]


def enqueue(first: int, count: int) -> None:
    async def produce() -> None:
        queries = await _producing()
        for begin in range(first, first + count, ENQUEUE):
            numbers = range(begin, min(begin + ENQUEUE, first + count))
            size = len(numbers)
            await queries.enqueue(["noop"] * size, [b"%d" % number for number in numbers], [0] * size)

    _runner.run(produce())


def unfinished(_: int) -> int:
    async def count() -> int:
        rows = await (await _producing()).driver.fetch("SELECT count(*) AS open FROM pgqueuer")
        return int(rows[0]["open"])

    return _runner.run(count())


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=settings()["workers"])
