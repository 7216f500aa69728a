"""Results of the Celery drop-in: waiting, giving up, revoking, and the same call twice."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, group
from celery.exceptions import TaskRevokedError, TimeoutError  # noqa: A004 -- Celery's own
from tests.stack import Stack

from tidewheel_client.celery.wire import wire_of


@pytest.fixture
def app(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    monkeypatch.setenv("TIDEWHEEL_URL", stack.api_url)
    monkeypatch.setenv("TIDEWHEEL_API_KEY", stack.api_key)
    app = Celery("tests", task_cls="tidewheel_client.celery:DurableTask", set_as_current=False)
    app.finalize()
    yield app
    wire_of(app).close()


def _sleep(app: Celery) -> Any:
    return app.signature("demo.sleep", kwargs={"seconds": 0})


async def _blocking(call: Any, *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(call, *args, **kwargs)


async def test_a_result_that_does_not_come_in_time(app: Celery) -> None:
    result = await _blocking(_sleep(app).apply_async, countdown=60)
    with pytest.raises(TimeoutError):
        await _blocking(result.get, timeout=0.1)
    assert (await _blocking(lambda: result.state), await _blocking(result.ready)) == ("PENDING", False)
    await _blocking(result.revoke)


async def test_revoked_tasks(app: Celery) -> None:
    sleep = _sleep(app)
    first = await _blocking(sleep.apply_async, countdown=60)
    second = await _blocking(sleep.apply_async, countdown=60)
    several = await _blocking(group(sleep, sleep).apply_async, countdown=60)

    await _blocking(first.revoke)
    await _blocking(app.control.revoke, second.id, terminate=True)
    await _blocking(several.revoke)

    for result in (first, second, *several.results):
        with pytest.raises(TaskRevokedError):
            await _blocking(result.get, timeout=10)
        assert await _blocking(lambda each=result: each.state) == "REVOKED"


async def test_the_same_task_id_gives_the_same_task(app: Celery) -> None:
    sleep = _sleep(app)
    first = await _blocking(sleep.apply_async, task_id="invoice-17")
    again = await _blocking(sleep.apply_async, task_id="invoice-17")
    assert first.id == again.id
    assert await _blocking(again.get, timeout=30) == 0
