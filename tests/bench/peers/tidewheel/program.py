"""Tidewheel: batches over HTTP into PostgreSQL, through Redis Streams to Celery, with sealed payloads and results."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
from tests.bench.peers.program import become, run, surroundings
from tests.bench.wire import Pool, ids_in, open_pool
from tests.support import wait_until

from tidewheel_cli.dev.readiness import is_ready
from tidewheel_common.store.migrate import upgrade
from tidewheel_executor.settings import ExecutorSettings

BATCH = 1_000
CONNECTIONS = 4
SERVICES = ("tidewheel_gateway", "tidewheel_scheduler", "tidewheel_dispatcher", "tidewheel_reaper")

_runner = asyncio.Runner()
_OPEN = "SELECT count(*) FROM tasks WHERE remove_at IS NULL"


def _api_key() -> str:
    return f"tw_{'peers':x<16}_{surroundings()['SECRET']}"


def _become(module: str) -> None:
    become(
        *("-m", module),
        environment={
            "TIDEWHEEL_DATABASE_URL": surroundings()["DATABASE_URL"],
            "TIDEWHEEL_REDIS_URL": surroundings()["REDIS_URL"],
            "TIDEWHEEL_KEYS": f"peers:{surroundings()['SECRET']}",
            "TIDEWHEEL_BOOTSTRAP_API_KEY": _api_key(),
            "TIDEWHEEL_HANDLERS": "tests.bench.peers.tidewheel.handlers",
            "TIDEWHEEL_HOST": "127.0.0.1",
            "TIDEWHEEL_PORT": surroundings()["PORT"],
            "TIDEWHEEL_HEALTH_PORT": "0",
        },
    )


def prepare() -> None:
    _runner.run(upgrade(surroundings()["DATABASE_URL"]))


def serve(number: int) -> None:
    _become(SERVICES[number])


def work() -> None:
    _become("tidewheel_executor")


class _Producer:
    """Connections that stay open between two commands."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._pool: Pool | None = None
        self._database: asyncpg.Connection | None = None

    async def pool(self) -> Pool:
        if self._pool is None:
            port = int(surroundings()["PORT"])
            await wait_until(lambda: is_ready(port), timeout=60, what="the start of the gateway")
            opened = open_pool(f"http://127.0.0.1:{port}", _api_key(), size=CONNECTIONS)
            self._pool = await self._stack.enter_async_context(opened)
        return self._pool

    async def database(self) -> asyncpg.Connection:
        if self._database is None:
            self._database = await asyncpg.connect(surroundings()["DATABASE_URL"])
        return self._database


_producer = _Producer()


def enqueue(first: int, count: int) -> None:
    async def submit(begin: int) -> None:
        numbers = range(begin, min(begin + BATCH, first + count))
        tasks = [{"handler": "peers.noop", "payload": {"number": number}} for number in numbers]
        pool = await _producer.pool()
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        request = pool.encode("/v1/tasks:batch", {"tasks": tasks})
        pool.send(request, lambda status, answer: answered.set_result((status, answer)))
        status, answer = await answered
        if status != 201 or len(ids_in(answer)) != len(numbers):
            raise RuntimeError(f"A batch was answered {status}: {answer[:500]!r}")

    async def produce() -> None:
        await _producer.pool()
        await asyncio.gather(*(submit(begin) for begin in range(first, first + count, BATCH)))

    _runner.run(produce())


def unfinished(_: int) -> int:
    async def count() -> int:
        return int(await (await _producer.database()).fetchval(_OPEN))

    return _runner.run(count())


if __name__ == "__main__":
    children = ExecutorSettings.model_fields["concurrency"].get_default(call_default_factory=True)
    run(prepare=prepare, enqueue=enqueue, unfinished=unfinished, work=work, recorders=children, serve=serve)
