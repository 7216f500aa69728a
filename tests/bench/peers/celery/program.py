"""Celery as the usual tutorial builds it: Redis between, results in PostgreSQL, acknowledged after the run."""

import os

import psycopg
from celery import Celery
from redis import Redis
from tests.bench.peers.program import become, run, settings, surroundings
from tests.bench.peers.record import ran

BATCH = 1_000

app = Celery("peers", broker=surroundings()["REDIS_URL"])
app.conf.update(
    result_backend=surroundings()["DATABASE_URL"].replace("postgresql://", "db+postgresql+psycopg://"),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=settings()["prefetch"],
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    task_send_sent_event=False,
    broker_transport_options={"priority_steps": [0]},
    broker_connection_retry_on_startup=True,
)


def _handle(number: int) -> None:
    ran(number)


noop = app.task(name="noop")(_handle)


def prepare() -> None:
    """Make the tables of the result backend, which each child would otherwise try to make."""
    app.backend.ResultSession().close()  # type: ignore[attr-defined] # the stubs do not know which backend it is


def work() -> None:
    become(
        *("-m", "celery", "--app", "tests.bench.peers.celery.program", "worker", "--loglevel", "WARNING"),
        *("--pool", settings()["pool"], "--concurrency", str(settings()["concurrency"])),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", f"{os.getpid()}@%h"),
    )


def enqueue(first: int, count: int) -> None:
    with app.producer_pool.acquire(block=True) as producer, producer.batch(max_size=BATCH):  # type: ignore[attr-defined] # new in kombu 5.7
        for number in range(first, first + count):
            noop.apply_async((number,), producer=producer)


_connections: list[tuple["psycopg.Connection[tuple[int]]", Redis]] = []


def unfinished(enqueued: int) -> int:
    if not _connections:
        database = psycopg.connect(surroundings()["DATABASE_URL"], autocommit=True)
        _connections.append((database, Redis.from_url(surroundings()["REDIS_URL"])))
    ((database, redis),) = _connections
    row = database.execute("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").fetchone()
    succeeded = row[0] if row else 0
    return enqueued - succeeded + int(redis.hlen("unacked"))


def _recorders() -> int:
    children = settings()["concurrency"] if settings()["pool"] == "prefork" else 1
    return int(settings()["workers"] * children)


if __name__ == "__main__":
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=_recorders())
