"""Servers for the tests: a real PostgreSQL and a real Valkey, started once, emptied for every test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.support import Surroundings

from tidewheel_cli.embedded import embedded_postgres, embedded_valkey
from tidewheel_cli.embedded.binaries import postgres_binary, valkey_binary
from tidewheel_cli.errors import CannotStart
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.store.migrate import upgrade

_TEMPLATE = "tidewheel_template"


@pytest.fixture(scope="session")
def server_binaries() -> tuple[Path, Path]:
    """The server binaries: in CI they must be there, elsewhere the tests that need them are skipped."""
    try:
        return postgres_binary("postgres"), valkey_binary()
    except CannotStart as reason:
        if Surroundings().ci:
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
async def postgres_url(
    server_binaries: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A PostgreSQL for the whole run; no test uses its database, each makes its own."""
    assert server_binaries
    async with embedded_postgres(tmp_path_factory.mktemp("postgres"), durable=False) as url:
        yield url


@pytest.fixture(scope="session")
async def valkey_url(
    server_binaries: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A Valkey for the whole run."""
    assert server_binaries
    async with embedded_valkey(tmp_path_factory.mktemp("valkey"), durable=False) as url:
        yield url


@pytest.fixture(scope="session")
async def template_database(postgres_url: str) -> str:
    """A migrated database that every test's own database is a copy of."""
    await _execute(postgres_url, f"CREATE DATABASE {_TEMPLATE}")
    await upgrade(_with_database(postgres_url, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
async def database_url(
    postgres_url: str, template_database: str, database_numbers: Iterator[int]
) -> AsyncIterator[str]:
    """A migrated, empty database for this test alone."""
    name = f"test_{next(database_numbers)}"
    await _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(postgres_url, name)
    await _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_url(postgres_url: str, database_numbers: Iterator[int]) -> AsyncIterator[str]:
    """A database without any table."""
    name = f"test_{next(database_numbers)}"
    await _execute(postgres_url, f"CREATE DATABASE {name}")
    yield _with_database(postgres_url, name)
    await _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def redis_url(valkey_url: str) -> str:
    """An empty Valkey."""
    async with Redis.from_url(valkey_url) as redis:
        await redis.flushall()
    return valkey_url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Engine]:
    """A pool of connections to this test's database."""
    pool = open_engine(database_url, application_name="test", pool_size=10)
    yield pool
    await pool.dispose()


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[1]
