"""Dramatiq on Redis: it has no call for a batch, so each message is one call of a script in Redis."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from redis import Redis
from tests.bench.peers.program import become, run, settings, surroundings
from tests.bench.peers.record import ran

broker = RedisBroker(url=surroundings()["REDIS_URL"], middleware=[Retries()])
dramatiq.set_broker(broker)


def _handle(number: int) -> None:
    ran(number)


noop = dramatiq.actor(_handle, actor_name="noop", broker=broker)


def prepare() -> None:
    """There is nothing to make."""


def work() -> None:
    become(
        *("-m", "dramatiq", "tests.bench.peers.dramatiq.program:broker"),
        *("--processes", str(settings()["processes"]), "--threads", str(settings()["threads"])),
    )


def enqueue(first: int, count: int) -> None:
    for number in range(first, first + count):
        noop.send(number)


def unfinished(_: int) -> int:
    redis: Redis = broker.client
    return int(redis.hlen("dramatiq:default.msgs"))


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=settings()["processes"])
