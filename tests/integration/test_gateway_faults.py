"""What the gateway does when PostgreSQL or Redis is away, or when it is asked for too much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from tests.gateway import Gateway, serving
from tests.support import text, wait_until

TASK = {"handler": "demo.echo"}


class Wire:
    """A connection to a server that can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._open -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[str, Wire]]:
    parts = urlsplit(url)
    wire = Wire(parts.hostname or "", parts.port or 0)
    await wire.mend()
    yield parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{wire.port}")).geturl(), wire
    await wire.cut()


async def test_without_the_database_nothing_is_accepted_and_after_it_everything(
    database_url: str, redis_url: str
) -> None:
    async with wired(database_url) as (url, wire), serving(url, redis_url) as gateway:
        await gateway.submit()
        await wire.cut()

        answers = await asyncio.gather(
            *(gateway.http.post("/v1/tasks", json=TASK) for _ in range(5)),
            gateway.http.post("/v1/tasks:batch", json={"tasks": [TASK]}),
            gateway.http.get("/v1/tasks"),
            gateway.http.post("/v1/schedules", json={**TASK, "name": "s", "every": 5}),
        )
        ready = await gateway.http.get("/readyz")
        alive = await gateway.http.get("/healthz")
        await wire.mend()
        back = await wait_until(lambda: _ready(gateway), what="the database's return")
        await gateway.submit()
        count = await gateway.count()

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["code"] for answer in answers} == {"unavailable"}
    assert all(answer.headers["retry-after"] for answer in answers)
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["The database cannot be reached."])
    assert alive.status_code == 200
    assert back
    assert count == 2


async def _ready(gateway: Gateway) -> bool:
    return (await gateway.http.get("/readyz")).status_code == 200


async def test_a_connection_lost_in_the_middle_of_a_commit_gets_503_and_a_repeat_makes_one_task(
    database_url: str, redis_url: str, engine: object
) -> None:
    headers = {"Idempotency-Key": "k"}
    async with wired(database_url) as (url, wire), serving(url, redis_url) as gateway:
        assert (await gateway.http.get("/v1/tasks")).status_code == 200
        async with (
            serving(database_url, redis_url) as direct,
            direct.engine.connect() as blocker,
            blocker.begin() as transaction,
        ):
            await blocker.execute(text("LOCK TABLE tasks IN EXCLUSIVE MODE"))
            held = asyncio.create_task(gateway.http.post("/v1/tasks", json=TASK, headers=headers))
            await wait_until(lambda: direct.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the blocked insert")
            await wire.cut()
            lost = await held
            await transaction.rollback()

            await wire.mend()
            await wait_until(lambda: _settled(direct), what="the end of the orphaned statement")
            again = await direct.http.post("/v1/tasks", json=TASK, headers=headers)
            count = await direct.count()

    assert engine
    assert lost.status_code == 503
    assert again.status_code == 201
    assert count == 1


async def _settled(gateway: Gateway) -> bool:
    return not await gateway.rows(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'tidewheel-gateway' AND state = 'active'"
    )


async def test_without_redis_tasks_are_accepted_all_the_same(database_url: str) -> None:
    async with serving(database_url, "redis://127.0.0.1:1/0") as gateway:
        task = await gateway.submit()
        await gateway.submit(delay=1)
        cancelled = await gateway.http.post(f"/v1/tasks/{task['id']}:cancel")
        ready = await gateway.http.get("/readyz")
        alive = await gateway.http.get("/healthz")

    assert (cancelled.status_code, ready.status_code, alive.status_code) == (200, 200, 200)


async def test_when_every_connection_is_taken_calls_get_503(database_url: str, redis_url: str) -> None:
    async with serving(database_url, redis_url, pool_size=2) as gateway:
        assert (await gateway.http.get("/v1/tasks")).status_code == 200
        gateway.parts.engine.patience = 0.05
        async with gateway.parts.engine.connect(), gateway.parts.engine.connect():
            read = await gateway.http.get("/v1/tasks")
            submitted = await gateway.http.post("/v1/tasks", json=TASK)
        after = await gateway.http.post("/v1/tasks", json=TASK)

        assert (read.status_code, submitted.status_code, after.status_code) == (503, 503, 201)
        assert submitted.headers["retry-after"] == "1"
        assert await gateway.count() == 1


async def test_when_too_much_waits_to_be_stored_calls_get_503(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(database_url, redis_url) as gateway:
        monkeypatch.setattr(gateway.parts.acceptor._coalescer, "_room", 2)
        async with gateway.engine.connect() as blocker, blocker.begin() as transaction:
            await blocker.execute(text("LOCK TABLE tasks IN EXCLUSIVE MODE"))
            held = [asyncio.create_task(gateway.http.post("/v1/tasks", json=TASK)) for _ in range(2)]
            await wait_until(lambda: gateway.parts.acceptor._coalescer._held == 2, what="two held submissions")
            refused = await gateway.http.post("/v1/tasks", json=TASK)
            await transaction.rollback()
        accepted = await asyncio.gather(*held)

        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert [answer.status_code for answer in accepted] == [201, 201]
        assert await gateway.count() == 2


async def test_an_error_that_nobody_foresaw_tells_nothing(
    database_url: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(database_url, redis_url) as gateway:
        await gateway.execute("ALTER VIEW execution_log RENAME TO elsewhere")
        task = await gateway.submit(payload={"secret": "canary-77"})

        answer = await gateway.http.get(f"/v1/tasks/{task['id']}/attempts")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "execution_log" not in answer.text
    assert "canary-77" not in caplog.text
