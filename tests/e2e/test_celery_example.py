"""The example's Celery app on stock Celery and, changed by one line, on Tidewheel: the outcomes are the same."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.stack import running_stack
from tests.support import wait_until

from tidewheel_client import AsyncClient, InvalidRequest

_BACKEND = 'backend="redis://localhost:6379/0")'
_LINE = 'backend="redis://localhost:6379/0", task_cls="tidewheel_client.celery:DurableTask")'


def _copy(repository: Path, directory: Path, *, durable: bool) -> Path:
    text = (repository / "examples/celery/shop.py").read_text()
    assert text.count(_BACKEND) == 1
    directory.mkdir()
    (directory / "shop.py").write_text(text.replace(_BACKEND, _LINE) if durable else text)
    return directory


def _environment(directory: Path, **more: str) -> dict[str, str]:
    inherited = os.environ  # noqa: TID251 -- for processes of a user of ours
    return {**inherited, "PYTHONPATH": str(directory), **more}


async def _outcomes(repository: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    script = repository / "tests/e2e/celery_outcomes.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found: dict[str, Any] = json.loads(output)
    return found


@asynccontextmanager
async def _stock_worker(directory: Path, environment: Mapping[str, str]) -> AsyncIterator[None]:
    command = ("-m", "celery", "-A", "shop", "worker", "-c", "2", "-l", "WARNING", "-s", str(directory / "beat"))
    with (directory / "worker.log").open("wb") as log:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=environment, cwd=directory, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            await asyncio.wait_for(worker.wait(), 30)


@pytest.mark.timeout(300)  # it starts a worker of Celery's and a stack
async def test_one_line_changes_where_the_tasks_run_and_not_what_comes_of_them(
    repository: Path, redis_url: str, tmp_path: Path
) -> None:
    plain = _copy(repository, tmp_path / "plain", durable=False)
    stock = _environment(plain, CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
    async with _stock_worker(plain, stock):
        expected = await _outcomes(repository, stock)

    durable = _copy(repository, tmp_path / "durable", durable=True)
    served = {"TIDEWHEEL_CELERY_APP": "shop:app", "PYTHONPATH": str(durable)}
    async with running_stack(tmp_path, environment=served) as stack:
        reached = _environment(durable, TIDEWHEEL_URL=stack.api_url, TIDEWHEEL_API_KEY=stack.api_key)
        assert await _outcomes(repository, reached) == expected, "the gateway learns what the handlers take meanwhile"
        async with AsyncClient(stack.api_url, stack.api_key) as client:
            await wait_until(lambda: _knows(client), what="the gateway knows what the handlers take", timeout=30)
            assert await _outcomes(repository, reached) == expected
            await wait_until(lambda: _fired(client), what="the beat_schedule fires", timeout=30)


async def _knows(client: AsyncClient) -> bool:
    try:
        await client.submit("shop.add", {"one": 1})
    except InvalidRequest:
        return True
    return False


async def _fired(client: AsyncClient) -> bool:
    return bool([task async for task in client.tasks.list(handler="shop.count", state="complete")])
