"""Procrastinate: one statement enqueues a batch; a worker fetches and finishes one job at a time."""

import asyncio

import uvloop
from procrastinate import App, PsycopgConnector
from tests.bench.peers.program import run, settings, surroundings
from tests.bench.peers.record import ran

ENQUEUE = 1_000
CONCURRENCY = int(settings()["concurrency"])

_runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
app = App(connector=PsycopgConnector(conninfo=surroundings()["DATABASE_URL"], min_size=2, max_size=CONCURRENCY + 2))


async def _handle(number: int) -> None:
    ran(number)


noop = app.task(name="noop")(_handle)


def prepare() -> None:
    async def install() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    _runner.run(install())


def work() -> None:
    async def consume() -> None:
        async with app.open_async():
            await app.run_worker_async(
                concurrency=CONCURRENCY,
                listen_notify=settings()["woken_by"] == "NOTIFY",
                fetch_job_polling_interval=0.05,
                delete_jobs="successful",
                wait=True,
            )

    _runner.run(consume())


def enqueue(first: int, count: int) -> None:
    async def produce() -> None:
        await app.open_async()
        for begin in range(first, first + count, ENQUEUE):
            numbers = range(begin, min(begin + ENQUEUE, first + count))
            await noop.configure().batch_defer_async(*({"number": number} for number in numbers))

    _runner.run(produce())


def unfinished(_: int) -> int:
    async def count() -> int:
        await app.open_async()
        row = await app.connector.execute_query_one_async("SELECT count(*) AS open FROM procrastinate_jobs")
        return int(row["open"])

    return _runner.run(count())


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=settings()["workers"])
