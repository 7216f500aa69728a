"""Taskiq on Redis Streams: it has no call for a batch, so many single calls are kept in flight."""

import asyncio

import uvloop
from redis.asyncio import Redis
from taskiq_redis import RedisStreamBroker
from tests.bench.peers.program import become, run, settings, surroundings
from tests.bench.peers.record import ran

IN_FLIGHT = int(settings()["in_flight"])

_runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
broker = RedisStreamBroker(surroundings()["REDIS_URL"], xread_count=settings()["read"])


async def _handle(number: int) -> None:
    ran(number)


noop = broker.register_task(_handle, task_name="noop")


def prepare() -> None:
    """Make the consumer group, which each process would otherwise make when it starts."""
    _runner.run(broker.startup())


def work() -> None:
    become(
        *("-m", "taskiq", "worker", "tests.bench.peers.taskiq.program:broker"),
        *("--workers", str(settings()["processes"]), "--ack-type", settings()["acknowledged"]),
        *("--max-async-tasks", str(settings()["at_once"]), "--max-prefetch", str(settings()["prefetch"])),
        *("--no-parse", "--log-level", "WARNING"),
    )


def enqueue(first: int, count: int) -> None:
    async def send(numbers: range) -> None:
        for number in numbers:
            await noop.kiq(number)

    async def produce() -> None:
        await asyncio.gather(*(send(range(first + lane, first + count, IN_FLIGHT)) for lane in range(IN_FLIGHT)))

    _runner.run(produce())


def unfinished(_: int) -> int:
    async def count() -> int:
        async with Redis(connection_pool=broker.connection_pool) as redis:
            (group,) = await redis.xinfo_groups("taskiq")
            return int(group["lag"]) + int(group["pending"])

    return _runner.run(count())


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=settings()["processes"])
