"""PostgreSQL's clock jumps: one jump must not make every running task look lost."""

from datetime import datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.scheduler_rows import Rows, Wakes, after

from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.rescue import Rescue
from tidewheel_scheduler.vigil import Vigil

STALE = 3.0
HOUR = 3600.0
LEASE = 300.0


class Scene:
    """A scheduler whose clock, and the database's, a test moves apart."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.rows = Rows(engine)
        self.here = 0.0
        self.ahead = 0.0
        self.rescue = Rescue(
            engine=engine,
            stale=STALE,
            vigil=Vigil(patience=STALE, clock=lambda: self.here),
            wake_promote=Wakes(),
            announce=Wakes(),
            counts=Counts(CollectorRegistry()),
            jitter=lambda: 0.0,
        )

    @property
    def database(self) -> datetime:
        return after(self.here + self.ahead)

    async def running(self, *, heard: float = 10 * HOUR) -> UUID:
        """A task that was claimed now; `heard` is until when its executor gives signs."""
        executor_id = await self.rows.executor(after(heard))
        lease_until = after(self.here + self.ahead + LEASE)
        times = {"started_at": self.database, "queued_at": self.database, "lease_until": lease_until}
        return await self.rows.task("running", attempt=1, executor_id=executor_id, **times)

    async def look(self, seconds: float) -> None:
        """Let the scheduler look every second, for so many seconds."""
        for _ in range(round(seconds)):
            self.here += 1.0
            await self.rescue.tick(self.database)

    async def states(self, *ids: UUID) -> list[str]:
        return [(await self.rows.task_row(task_id))["state"] for task_id in ids]


@pytest.fixture
def scene(engine: AsyncEngine) -> Scene:
    return Scene(engine)


async def test_a_jump_forwards_ends_no_lease_before_its_time(scene: Scene) -> None:
    await scene.look(5)
    tasks = [await scene.running() for _ in range(5)]
    scene.ahead = HOUR
    await scene.look(20)
    assert await scene.states(*tasks) == ["running"] * 5

    scene.here += LEASE
    await scene.look(5)
    assert await scene.states(*tasks) == ["waiting"] * 5  # by then their time was over, jump or no jump


async def test_what_was_claimed_after_a_jump_has_its_own_time(scene: Scene) -> None:
    await scene.look(5)
    scene.ahead = HOUR
    await scene.look(2)
    task = await scene.running()
    scene.here += LEASE + 1
    await scene.look(6)
    assert await scene.states(task) == ["waiting"]


async def test_a_silent_executor_is_found_after_a_jump_too(scene: Scene) -> None:
    await scene.look(5)
    task = await scene.running(heard=5)
    scene.ahead = HOUR
    await scene.look(2)
    assert await scene.states(task) == ["running"]
    await scene.look(5)
    assert await scene.states(task) == ["waiting"]


async def test_a_jump_backwards_takes_nothing_away(scene: Scene) -> None:
    await scene.look(5)
    task = await scene.running()
    scene.ahead = -HOUR
    await scene.look(20)
    assert await scene.states(task) == ["running"]
