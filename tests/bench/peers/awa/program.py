"""awa: an engine in Rust that fetches and completes in batches, with handlers in Python."""

import asyncio
import signal
from dataclasses import dataclass

import awa
from tests.bench.peers.program import run, settings, surroundings
from tests.bench.peers.record import ran

ENQUEUE = 1_000
QUEUE = "noop"


@dataclass
class Noop:
    """What a job carries."""

    number: int


def _client() -> awa.AsyncClient:
    return awa.AsyncClient(surroundings()["DATABASE_URL"], max_connections=20)


def prepare() -> None:
    """Make the schema; a fresh one takes COPY only after a first worker has chosen how jobs are kept."""

    async def install() -> None:
        client = _client()
        await client.migrate()
        await _consuming(client)
        await client.shutdown()

    asyncio.run(install())


async def _handle(job: "awa.Job[Noop]") -> None:
    ran(job.args.number)


async def _consuming(client: awa.AsyncClient) -> None:
    client.task(Noop, queue=QUEUE)(_handle)
    await client.start([{"name": QUEUE, "max_workers": settings()["at_once"], "claim_batch_size": settings()["claim"]}])


def work() -> None:
    """Work in a process of its own."""

    async def consume() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        client = _client()
        await _consuming(client)
        await stop.wait()
        await client.shutdown()

    asyncio.run(consume())


_runner = asyncio.Runner()
_producer: list[awa.AsyncClient] = []


def _producing() -> awa.AsyncClient:
    if not _producer:
        _producer.append(_client())
    return _producer[0]


def enqueue(first: int, count: int) -> None:
    async def produce() -> None:
        for begin in range(first, first + count, ENQUEUE):
            numbers = range(begin, min(begin + ENQUEUE, first + count))
            await _producing().enqueue_many_copy([Noop(number) for number in numbers], queue=QUEUE)

    _runner.run(produce())


def unfinished(enqueued: int) -> int:
    """Look where completions are written; awa's own statistics take seconds to count this many."""

    async def count() -> int:
        async with await _producing().transaction() as transaction:
            row = await transaction.fetch_one(
                "SELECT coalesce(sum(completed), 0)::bigint AS completed FROM ("
                "SELECT completed_count AS completed FROM awa.receipt_completion_batches "
                "UNION ALL SELECT pruned_completed_count FROM awa.queue_terminal_rollups) AS counts"
            )
        return enqueued - int(row["completed"])

    return _runner.run(count())


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=settings()["workers"])
