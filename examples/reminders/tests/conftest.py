"""The backend on a whole Tidewheel that runs our handlers. Here a delivered reminder is kept for two seconds."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from tests.conftest import server_binaries  # noqa: F401 - a fixture, asked for by its name
from tests.stack import Stack, running_stack

from reminders.app import create_app
from reminders.settings import Settings
from tidewheel_client import AsyncClient
from tidewheel_client.sqlalchemy import Enqueuer
from tidewheel_common.crypto.keyring import Keyring

KEEP = timedelta(seconds=2)


@pytest.fixture(scope="module")
async def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    request.getfixturevalue("server_binaries")  # skips where there are none
    async with running_stack(tmp_path_factory.mktemp("example"), "--handlers", "reminders.handlers") as stack:
        yield stack


@pytest.fixture
async def backend(example: Stack) -> AsyncIterator[FastAPI]:
    app = create_app(
        Settings(REMINDERS_DATABASE_URL=SecretStr(example.database_url), REMINDERS_KEEP=KEEP),
        make_client=partial(AsyncClient, example.api_url, example.api_key),
        enqueuer=Enqueuer(Keyring.parse((example.directory / "secrets" / "keys").read_text())),
    )
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(backend: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Calls the backend as its users do."""
    transport = httpx2.ASGITransport(app=backend)
    async with httpx2.AsyncClient(transport=transport, base_url="http://reminders", timeout=30) as opened:
        yield opened


@pytest.fixture
def tidewheel(backend: FastAPI) -> AsyncClient:
    """Looks behind the backend."""
    client: AsyncClient = backend.state.tidewheel
    return client
