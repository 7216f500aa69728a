"""Submissions that belong to the caller's own transaction: in Tidewheel's database, and through an outbox."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Column, Engine, MetaData, Table, Uuid, create_engine, insert, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from tests.stack import Stack
from tests.support import wait_until

from tidewheel_client import AsyncClient, ClientError, InvalidRequest, NotConfigured, NotFound
from tidewheel_client.options import Notify
from tidewheel_client.outbox import Outbox, Relay
from tidewheel_client.sqlalchemy import Enqueuer
from tidewheel_common.crypto.keyring import Keyring

METADATA = MetaData()
ORDERS = Table("orders", METADATA, Column("id", Uuid, primary_key=True))
OUTBOX = Outbox(METADATA)
LATE: Notify = {"on": ["late"], "late_after": timedelta(minutes=5), "email": "a@example.com"}


@pytest.fixture
def enqueuer(stack: Stack) -> Enqueuer:
    return Enqueuer(Keyring.parse((stack.directory / "secrets" / "keys").read_text()))


@pytest.fixture
def blocking(stack: Stack) -> Iterator[Engine]:
    engine = create_engine(make_url(stack.database_url).set(drivername="postgresql+psycopg"))
    METADATA.create_all(engine)
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


@pytest.fixture
async def mixed(blocking: Engine) -> AsyncIterator[AsyncEngine]:
    """The same database, asynchronously; `blocking` has made the tables."""
    engine = create_async_engine(blocking.url.set(drivername="postgresql+asyncpg"))
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(mixed: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(mixed)


async def test_a_task_runs_once_its_transaction_has_committed(
    enqueuer: Enqueuer, blocking: Engine, client: AsyncClient
) -> None:
    with Session(blocking) as session, session.begin():
        session.execute(insert(ORDERS).values(id=uuid4()))
        task_id = enqueuer.enqueue(
            session, "demo.distance", {"x": 3, "y": 4}, tags=["a", "b"], timeout=60, backoff={"initial": 1}
        )
        with pytest.raises(NotFound):
            await client.tasks.get(task_id)

    assert await client.tasks.handle(task_id).result(timeout=30) == 5.0
    task = await client.tasks.get(task_id)
    assert (task.tags, task.timeout, task.payload) == (["a", "b"], 60.0, {"x": 3, "y": 4})
    assert task.backoff is not None
    assert task.backoff["initial"] == 1


async def test_a_task_of_later_waits_and_runs_when_it_is_due(
    enqueuer: Enqueuer, sessions: async_sessionmaker[AsyncSession], client: AsyncClient
) -> None:
    async with sessions() as session, session.begin():
        soon = await enqueuer.enqueue(session, "demo.echo", {"a": 1}, delay=timedelta(seconds=1))
        later = await enqueuer.enqueue(session, "demo.echo", delay=timedelta(hours=1), priority="high", notify=[LATE])
        [patience] = (
            await session.execute(text("SELECT late_at - run_at FROM tasks WHERE late_at > run_at"))
        ).scalars()

    task = await client.tasks.get(later)
    assert (task.state, task.priority) == ("waiting", "high")
    assert (patience, task.notify[0].late_after, task.notify[0].email) == (timedelta(minutes=5), 300, "a@example.com")
    await client.tasks.cancel(later)
    assert await client.tasks.handle(soon).result(timeout=30) == {"a": 1}


async def test_a_transaction_that_is_rolled_back_leaves_no_task(
    enqueuer: Enqueuer, blocking: Engine, sessions: async_sessionmaker[AsyncSession], client: AsyncClient
) -> None:
    with Session(blocking) as session:
        first = enqueuer.enqueue(session, "demo.echo")
        session.rollback()
    with suppress(ZeroDivisionError):
        async with sessions() as other, other.begin():
            second = await enqueuer.enqueue(other, "demo.echo")
            raise ZeroDivisionError

    for task_id in (first, second):
        with pytest.raises(NotFound):
            await client.tasks.get(task_id)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"max_attempts": 0}, "/max_attempts"),
        ({"run_at": "2020-01-01T00:00:00Z", "expires_at": "2020-01-02T00:00:00Z"}, "/expires_at"),
        ({"depends_on": [UUID(int=1)]}, "/depends_on"),
        ({"unique_key": "one"}, "/unique_key"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused_here_and_the_transaction_goes_on(
    enqueuer: Enqueuer, blocking: Engine, options: dict[str, Any], pointer: str
) -> None:
    with Session(blocking) as session:
        with pytest.raises(InvalidRequest) as caught:
            enqueuer.enqueue(session, "demo.echo", **options)
        assert session.scalar(text("SELECT 1")) == 1

    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_a_tenant_that_is_not_there_is_named(stack: Stack, blocking: Engine) -> None:
    keyring = Keyring.parse((stack.directory / "secrets" / "keys").read_text())
    with Session(blocking) as session, pytest.raises(NotConfigured, match="'nobody'"):
        Enqueuer(keyring, tenant="nobody").enqueue(session, "demo.echo")


async def test_an_outbox_submits_what_has_committed_and_nothing_else(
    blocking: Engine, sessions: async_sessionmaker[AsyncSession], client: AsyncClient
) -> None:
    tag = uuid4().hex
    with Session(blocking) as session:
        OUTBOX.add(session, "demo.echo", {"rolled": "back"}, tags=[tag])
        session.rollback()
        OUTBOX.add(session, "demo.echo", {"n": 1}, tags=[tag])
        session.commit()
    async with sessions() as other, other.begin():
        await OUTBOX.add(other, "demo.echo", {"n": 2}, tags=[tag], delay=timedelta(seconds=1))
        await OUTBOX.add(other, "not a name", tags=[tag])

    stop = asyncio.Event()
    running = asyncio.create_task(Relay(OUTBOX, sessions, client).run(stop, every=0.1))

    async def complete() -> bool:
        found = [task async for task in client.tasks.list(tag=tag)]
        return [task.state for task in found] == ["complete"] * 2

    await wait_until(complete, timeout=30, what="both tasks")
    stop.set()
    await running
    async with sessions() as looking:
        [refused] = (await looking.execute(select(OUTBOX.table))).all()
    assert "/handler" in refused.error


async def test_two_relays_share_the_rows(sessions: async_sessionmaker[AsyncSession], client: AsyncClient) -> None:
    tag = uuid4().hex
    async with sessions() as session, session.begin():
        for n in range(30):
            await OUTBOX.add(session, "demo.echo", {"n": n}, tags=[tag])

    relays = [Relay(OUTBOX, sessions, client, batch=5) for _ in range(2)]

    async def drain(relay: Relay) -> None:
        while await relay.tick():
            pass

    await asyncio.gather(*map(drain, relays))
    async with sessions() as session:
        assert (await session.execute(select(OUTBOX.table))).all() == []
    assert len([task async for task in client.tasks.list(tag=tag)]) == 30


class DiesAfterTheAnswer(httpx2.AsyncBaseTransport):
    """Lets a request through to the gateway, and the answer never back."""

    def __init__(self) -> None:
        self.accepted = asyncio.Event()
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        assert answer.status_code == 201
        self.accepted.set()
        await asyncio.Event().wait()
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_a_relay_that_dies_between_the_accept_and_the_mark_makes_no_second_task(
    stack: Stack, sessions: async_sessionmaker[AsyncSession], client: AsyncClient
) -> None:
    tag, dying = uuid4().hex, DiesAfterTheAnswer()
    async with sessions() as session, session.begin():
        await OUTBOX.add(session, "demo.echo", {"b": 1, "a": 2}, tags=[tag], delay=0.5)

    async with AsyncClient(stack.api_url, stack.api_key, transport=dying) as doomed:
        relay = asyncio.create_task(Relay(OUTBOX, sessions, doomed).tick())
        await asyncio.wait_for(dying.accepted.wait(), 30)
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay
    async with sessions() as session:
        assert len((await session.execute(select(OUTBOX.table))).all()) == 1
    assert await Relay(OUTBOX, sessions, client).tick() is False

    async with sessions() as session:
        assert (await session.execute(select(OUTBOX.table))).all() == []
    assert len([task async for task in client.tasks.list(tag=tag)]) == 1


async def test_a_gateway_that_is_away_costs_the_outbox_nothing(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session, session.begin():
        row_id = await OUTBOX.add(session, "demo.echo")

    async with AsyncClient("http://127.0.0.1:9", "tw_x", tries=1) as away:
        with pytest.raises(ClientError):
            await Relay(OUTBOX, sessions, away).tick()

    async with sessions() as session:
        [row] = (await session.execute(select(OUTBOX.table))).all()
    assert (row.id, row.refused_at) == (row_id, None)
