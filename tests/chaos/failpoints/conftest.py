"""One stack, on the run's own servers, whose failpoints can be armed while it runs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest
from tests.chaos.failpoints.rig import Rig
from tests.conftest import _execute, _with_database
from tests.stack import running_stack

from tidewheel_client import AsyncClient


@pytest.fixture(scope="module")
async def shared_database_url(
    postgres_url: str, template_database: str, database_numbers: Iterator[int]
) -> AsyncIterator[str]:
    """A database for the tests of a module together."""
    name = f"test_{next(database_numbers)}"
    await _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(postgres_url, name)
    await _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def rig(
    shared_database_url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> AsyncIterator[Rig]:
    directory = tmp_path_factory.mktemp("failpoints")
    failpoints = directory / "armed"
    failpoints.mkdir()
    surroundings = {
        "TIDEWHEEL_DATABASE_URL": shared_database_url,
        "TIDEWHEEL_REDIS_URL": valkey_url,
        "TIDEWHEEL_FAILPOINTS": str(failpoints),
        "TIDEWHEEL_CELERY_APP": "tests.chaos.failpoints.ledger:app",
        "TIDEWHEEL_CONCURRENCY": "3",
        "TIDEWHEEL_EXECUTOR_HEARTBEAT": "0.3",
        "TIDEWHEEL_EXECUTOR_STALE": "2",
        "TIDEWHEEL_QUEUED_OVERDUE": "1.5",
        "TIDEWHEEL_ABANDONED_AFTER": "1",
        "PYTHONPATH": str(repository),
    }
    async with (
        running_stack(directory, environment=surroundings) as stack,
        AsyncClient(stack.api_url, stack.api_key, tries=12) as client,
        httpx2.AsyncClient(
            base_url=stack.api_url, headers={"Authorization": f"Bearer {stack.api_key}"}, timeout=10, trust_env=False
        ) as http,
    ):
        database = await asyncpg.connect(shared_database_url)
        yield Rig(directory=directory, failpoints=failpoints, client=client, database=database, http=http)
        await database.close()
