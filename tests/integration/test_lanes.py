"""Slow tasks never hold every child of a worker that has more than one."""

from pathlib import Path

from tests.integration.test_transport import working
from tests.integration.throwaway import MARK

from tidewheel_common.streams.stream import depths, lines_of


async def test_slow_tasks_leave_a_child_to_the_short_ones_of_other_queues(tmp_path: Path, database_url: str) -> None:
    async with working(tmp_path, database_url) as worker:
        await worker.until_ran(await worker.submit("t.short", 3))  # now it is known to be short
        await worker.until_empty()
        slow = await worker.submit("t.wait", 20, queue="slow")
        await worker.until_ran(slow[:2])  # every lane of three children
        short = await worker.submit("t.short", 50)
        await worker.until_ran(short)
        await worker.until_empty("default")
        found = await depths(worker.redis, lines_of(["slow"]))
        assert sum(depth.entries for depth in found.values()) == 20
        stats = await worker.celery("inspect", "stats")
        assert '"lanes_taken": 2' in stats
        await worker.redis.set(MARK, 1)
        await worker.until_ran(slow)
        await worker.until_empty("slow")
        assert sorted(await worker.ran()) == sorted({*await worker.ran()})  # none came twice


async def test_a_single_child_takes_what_is_slow_too(tmp_path: Path, database_url: str) -> None:
    async with working(tmp_path, database_url, TIDEWHEEL_CONCURRENCY="1") as worker:
        await worker.redis.set(MARK, 1)
        await worker.until_ran(await worker.submit("t.wait", 3))
        await worker.until_empty()
