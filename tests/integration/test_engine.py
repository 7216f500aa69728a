"""The pool: parameters by name, transactions, and connections that end or hang."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.support import text, wait_until

from tidewheel_common.store import engine as engine_module
from tidewheel_common.store.engine import Connection, Engine, open_engine
from tidewheel_common.store.errors import is_transient

END = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'")
BACKEND = text("SELECT pg_backend_pid()")


@pytest.fixture
async def doomed(database_url: str) -> AsyncIterator[Engine]:
    """A pool of two connections that can be told from all others."""
    engine = open_engine(database_url, application_name="doomed", pool_size=2)
    yield engine
    await engine.dispose()


async def backend(connection: Connection) -> int:
    return int((await connection.execute(BACKEND)).scalar_one())


async def test_parameters_go_by_their_names_and_may_stand_twice(engine: Engine) -> None:
    sum_of = text(
        "SELECT CAST(:one AS integer) + CAST(:other AS integer) * CAST(:one AS integer) AS sum, :text AS text"
    )
    async with engine.connect() as connection:
        row = (await connection.execute(sum_of, {"other": 5, "text": "10:30", "one": 2})).one()
        with pytest.raises(KeyError, match="other"):
            await connection.execute(sum_of, {"one": 2, "text": ""})

    assert (row.sum, row["text"], {**row}) == (12, "10:30", {"sum": 12, "text": "10:30"})
    with pytest.raises(AttributeError, match="no column total"):
        _ = row.total


async def test_what_a_transaction_did_is_undone_by_an_error_whole_or_in_part(engine: Engine) -> None:
    insert = text("INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), :name)")

    async def add(connection: Connection, *names: str) -> None:
        async with connection.begin():
            for name in names:
                await connection.execute(insert, {"name": name})

    async with engine.begin() as connection:
        await add(connection, "kept")
        with pytest.raises(asyncpg.UniqueViolationError):
            await add(connection, "undone", "kept")
        async with connection.begin() as part:
            await add(connection, "taken back")
            await part.rollback()

    async def add_one_too_many() -> None:
        async with engine.begin() as connection:
            await add(connection, "never")
            await add(connection, "kept")

    with pytest.raises(asyncpg.UniqueViolationError):
        await add_one_too_many()

    async with engine.connect() as connection:
        names = (await connection.execute(text("SELECT name FROM tenants"))).scalars()
    assert set(names) & {"kept", "undone", "taken back", "never"} == {"kept"}


async def test_connections_that_ended_in_the_pool_are_replaced(engine: Engine, doomed: Engine) -> None:
    async with doomed.connect() as one, doomed.connect() as other:
        before = {await backend(one), await backend(other)}
    async with engine.connect() as connection:
        await connection.execute(END)
        alive = text("SELECT 1 FROM pg_stat_activity WHERE application_name = 'doomed'")

        async def none_left() -> bool:
            return not await connection.execute(alive)

        await wait_until(none_left, what="the end of both")

    async with doomed.connect() as one, doomed.connect() as other:
        after = {await backend(one), await backend(other)}
    assert len(after) == 2
    assert not before & after


async def test_a_connection_that_nobody_has_used_for_long_is_replaced(
    doomed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with doomed.connect() as connection:
        first = await backend(connection)
    async with doomed.connect() as connection:
        assert await backend(connection) == first
        monkeypatch.setattr(engine_module, "_RECYCLE", 0.0)
    async with doomed.connect() as connection:
        assert await backend(connection) != first


async def test_a_connection_that_ends_under_a_statement_is_a_passing_fault(doomed: Engine) -> None:
    for begun in (doomed.connect, doomed.begin):
        with pytest.raises(asyncpg.PostgresError) as raised:
            async with begun() as connection:
                await connection.execute(END)
        assert is_transient(raised.value)
        async with begun() as connection:
            assert await backend(connection)


async def test_a_statement_that_is_given_up_does_not_hold_its_connection(engine: Engine, doomed: Engine) -> None:
    lock = text("LOCK TABLE tenants IN EXCLUSIVE MODE")
    async with engine.begin() as blocker:
        await blocker.execute(lock)
        for begun in (doomed.connect, doomed.begin):
            for _ in range(2):  # as many as the pool has
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2), begun() as connection:
                        await connection.execute(text("DELETE FROM tenants"))
        async with doomed.connect() as one, doomed.connect() as other:
            assert await backend(one) != await backend(other)
