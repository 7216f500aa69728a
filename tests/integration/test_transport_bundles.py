"""A real worker on a real Valkey, and hints that share entries."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.test_transport import PATIENCE, Worker, working
from tests.integration.throwaway import BREAK, MARK
from tests.support import wait_until

from tidewheel_common.streams.bundle_sizes import read_bundle_sizes
from tidewheel_common.streams.stream import push


@pytest.fixture
async def worker(tmp_path: Path, database_url: str) -> AsyncIterator[Worker]:
    async with working(tmp_path, database_url) as running_worker:
        yield running_worker


async def test_short_tasks_come_in_bundles_once_it_is_known_how_short_they_are(worker: Worker) -> None:
    async def told() -> bool:
        return (await read_bundle_sizes(worker.redis)).get("t.short", 1) > 10

    await worker.until_ran(await worker.submit("t.short", 1000))
    await wait_until(told, timeout=PATIENCE, what="the size of a bundle")
    sizes = await read_bundle_sizes(worker.redis)
    hints = worker.hints("t.short", 500)
    await push(worker.redis, hints, size_of=lambda handler: sizes[handler])
    await worker.until_ran([hint.task_id.hex for _, hint in hints])
    await worker.until_empty()
    assert sorted(set(await worker.ran())) == sorted(await worker.ran())


async def test_a_new_worker_begins_with_one_of_a_bundle(worker: Worker) -> None:
    hints = worker.hints("t.short", 500)
    await push(worker.redis, hints, size_of=lambda _: 100)
    await worker.until_ran([hint.task_id.hex for _, hint in hints])
    await worker.until_empty()
    messages = await worker.messages()
    assert [hints[0].hint.task_id.hex] in messages  # and not with its neighbours; which child is first does not matter
    assert sorted(task for message in messages for task in message) == sorted(hint.task_id.hex for _, hint in hints)


async def test_a_worker_that_knows_a_handler_as_slow_divides_its_bundles(worker: Worker) -> None:
    first = await worker.submit("t.wait")
    await worker.until_ran(first)
    await worker.silence_at_age(0.1)
    await worker.redis.set(MARK, 1)
    await worker.until_empty()
    hints = worker.hints("t.wait", 40)
    await push(worker.redis, hints, size_of=lambda _: 20)
    await worker.until_ran([hint.task_id.hex for _, hint in hints])
    await worker.until_empty()
    assert [hints[0].hint.task_id.hex] in await worker.messages()
    assert sorted(await worker.ran()) == sorted([*first, *(hint.task_id.hex for _, hint in hints)])


async def test_all_of_a_bundle_are_lost_with_the_child_that_ran_it(worker: Worker) -> None:
    await worker.until_ran(await worker.submit("t.fragile", 100))
    await worker.until_empty()
    await worker.redis.set(BREAK, 1)
    hints = worker.hints("t.fragile", 4)
    await push(worker.redis, hints, size_of=lambda _: 4)
    await worker.until_lost([hint.task_id.hex for _, hint in hints])
    await worker.until_empty()
