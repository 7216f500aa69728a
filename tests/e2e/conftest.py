"""One stack for all end-to-end tests: the tests leave it as they found it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.stack import Stack, running_stack

from tidewheel_client import AsyncClient


@pytest.fixture(scope="session")
async def stack(server_binaries: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    assert server_binaries
    async with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(stack.api_url, stack.api_key) as opened:
        yield opened
