"""PostgreSQL's clock jumps, PostgreSQL goes away, schedulers come and go: no living executor loses its tasks by it."""

from datetime import datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import Rows, Wakes, after
from tests.support import text

from tidewheel_common.store.engine import Engine
from tidewheel_dispatcher.queries import watch_witness
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.ration import Ration
from tidewheel_scheduler.rebase import Rebase
from tidewheel_scheduler.rescue import Rescue
from tidewheel_scheduler.vigil import SHORTEST_GAP, Vigil, hearing

STALE = 8.0
HEARING = hearing(STALE)
HOUR = 3600.0
LEASE = 300.0


class Scene:
    """A scheduler and executors whose clock, and the database's, a test moves apart."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rows = Rows(engine)
        self.here = 0.0
        self.ahead = 0.0
        self.rescue = self.scheduler()

    def scheduler(self) -> Rescue:
        """A scheduler that has just started."""
        return Rescue(
            engine=self.engine,
            stale=STALE,
            vigil=Vigil(self.engine, gap=SHORTEST_GAP, clock=lambda: self.here),
            ration=Ration(1000),
            wake_promote=Wakes(),
            announce=Wakes(),
            counts=Counts(CollectorRegistry()),
            jitter=lambda: 0.0,
        )

    @property
    def database(self) -> datetime:
        return after(self.here + self.ahead)

    async def running(self, *, pid: int = 1) -> UUID:
        """A task that was claimed now, by an executor that goes on living; with another `pid` it has just died."""
        executor_id = await self.rows.executor(self.database, pid=pid)
        lease_until = after(self.here + self.ahead + LEASE)
        times = {"started_at": self.database, "queued_at": self.database, "lease_until": lease_until}
        return await self.rows.task("running", attempt=1, executor_id=executor_id, **times)

    async def look(self, seconds: float, *, restarting: bool = False) -> None:
        """Let the executors live and the scheduler look every second, for so many seconds."""
        for _ in range(round(seconds)):
            self.here += 1.0
            async with self.engine.begin() as connection:
                sign = text("UPDATE executors SET heartbeat_at = :now WHERE pid = 1")
                await connection.execute(sign, {"now": self.database})
            if restarting:
                self.rescue = self.scheduler()
            await self.rescue.tick(self.database)

    async def dispatcher_alone(self, seconds: float) -> None:
        """Let a dispatcher bear witness every second, and no scheduler look."""
        for _ in range(round(seconds)):
            self.here += 1.0
            async with self.engine.begin() as connection:
                await watch_witness(connection, now=self.database)

    async def states(self, *ids: UUID) -> list[str]:
        return [(await self.rows.task_row(task_id))["state"] for task_id in ids]


DEAD = 2
"""The `pid` of an executor that is dead."""


@pytest.fixture
def scene(engine: Engine) -> Scene:
    return Scene(engine)


async def test_a_scheduler_that_starts_goes_on_with_what_others_have_watched(scene: Scene) -> None:
    await scene.look(STALE + 1, restarting=True)
    living, orphan = await scene.running(), await scene.running(pid=DEAD)
    await scene.look(STALE, restarting=True)
    assert await scene.states(living, orphan) == ["running", "running"]
    await scene.look(1, restarting=True)
    assert await scene.states(living, orphan) == ["running", "waiting"]


async def test_dispatchers_bear_witness_while_no_scheduler_lives_but_not_across_a_gap(scene: Scene) -> None:
    await scene.look(STALE + 1)
    orphan = await scene.running(pid=DEAD)
    await scene.dispatcher_alone(30)
    scene.rescue = scene.scheduler()
    await scene.look(1)
    assert await scene.states(orphan) == ["waiting"]

    orphan = await scene.running(pid=DEAD)
    scene.here += 60
    await scene.dispatcher_alone(2)
    scene.rescue = scene.scheduler()
    await scene.look(HEARING)
    assert await scene.states(orphan) == ["running"]


@pytest.mark.parametrize("restarting", [False, True])
async def test_after_an_outage_executors_have_time_to_be_heard_again(scene: Scene, restarting: bool) -> None:
    await scene.look(STALE + 1)
    living, orphan = await scene.running(), await scene.running(pid=DEAD)
    scene.here += 60
    if restarting:
        scene.rescue = scene.scheduler()
    await scene.rescue.tick(scene.database)  # the scheduler is back before anyone
    await scene.look(HEARING - 1)
    assert await scene.states(living, orphan) == ["running", "running"]
    await scene.look(1)
    assert await scene.states(living, orphan) == ["running", "waiting"]


@pytest.mark.parametrize(
    ("away", "silent"),
    [(SHORTEST_GAP - 1, STALE), (SHORTEST_GAP + 1, SHORTEST_GAP + 1 + HEARING), (60.0, 60.0 + HEARING)],
)
async def test_the_dead_are_found_when_silence_and_hearing_are_over_and_no_later(
    scene: Scene, away: float, silent: float
) -> None:
    await scene.look(STALE + 1)
    orphan, died = await scene.running(pid=DEAD), scene.here
    scene.here += away
    await scene.rescue.tick(scene.database)
    while await scene.states(orphan) == ["running"]:
        assert scene.here - died <= silent
        await scene.look(1)
    assert scene.here - died >= silent


@pytest.mark.parametrize("restarting", [False, True])
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_jump_takes_nothing_from_the_living_and_the_dead_are_found_all_the_same(
    scene: Scene, jump: float, restarting: bool
) -> None:
    await scene.look(STALE + 1)
    living = [await scene.running() for _ in range(5)]
    orphan = await scene.running(pid=DEAD)
    scene.ahead = jump
    if restarting:
        scene.rescue = scene.scheduler()
    await scene.rescue.tick(scene.database)
    await scene.look(HEARING - 1)
    assert await scene.states(orphan) == ["running"]
    await scene.look(1)
    assert await scene.states(orphan, *living) == ["waiting", *["running"] * 5]

    await scene.look(2)
    scene.here += LEASE - SHORTEST_GAP
    await scene.look(STALE + SHORTEST_GAP)
    assert await scene.states(*living) == ["waiting"] * 5  # from the jump on they had a whole lease again


async def test_a_jump_too_short_for_a_gap_is_seen_by_who_looked_before_it(scene: Scene) -> None:
    await scene.look(STALE + 1)
    orphan = await scene.running(pid=DEAD)
    await scene.look(2)
    scene.ahead = SHORTEST_GAP - 2
    await scene.look(1)
    assert await scene.states(orphan) == ["running"]
    await scene.look(STALE)
    assert await scene.states(orphan) == ["waiting"]


async def test_what_was_claimed_after_a_jump_has_its_own_time(scene: Scene) -> None:
    await scene.look(STALE + 1)
    scene.ahead = HOUR
    await scene.look(2)
    task = await scene.running()
    await scene.look(1)
    scene.here += LEASE
    await scene.look(STALE + 1)
    assert await scene.states(task) == ["waiting"]


async def test_a_mistake_does_not_start_everything_again_at_once(scene: Scene) -> None:
    scene.rescue = Rescue(
        engine=scene.engine,
        stale=STALE,
        vigil=Vigil(scene.engine, gap=SHORTEST_GAP, clock=lambda: scene.here),
        ration=Ration(6, clock=lambda: scene.here),
        wake_promote=Wakes(),
        announce=Wakes(),
        counts=Counts(CollectorRegistry()),
        jitter=lambda: 0.0,
    )
    tasks = [await scene.running(pid=DEAD) for _ in range(8)]
    await scene.look(STALE + 1)
    assert sorted(await scene.states(*tasks)) == ["running"] * 2 + ["waiting"] * 6
    await scene.look(11)
    assert sorted(await scene.states(*tasks)) == ["running"] + ["waiting"] * 7


async def test_a_pause_that_began_before_the_clock_went_back_does_not_last_an_hour_longer(scene: Scene) -> None:
    retry = await scene.rows.task("waiting", attempt=1, wait_until=after(HOUR + 30))
    asked = await scene.rows.task("waiting", wait_until=after(HOUR + 30))
    old = await scene.rows.task("waiting", attempt=1, wait_until=after(HOUR + 30))
    for task_id, ended in ((retry, HOUR), (old, -5)):
        await scene.rows.attempt(task_id, 1, finished_at=after(ended))
    woken = Wakes()
    rebase = Rebase(engine=scene.engine, slack=SHORTEST_GAP, wake_promote=woken)
    await scene.look(1)
    for second in (1, 2):
        rebase.settled = None  # as after a restart, and after another jump
        assert await rebase.tick(after(second)) is None
    rows = [await scene.rows.task_row(task_id) for task_id in (retry, asked, old)]
    assert [row["wait_until"] for row in rows] == [after(31), after(HOUR + 30), after(HOUR + 30)]
    assert rows[0]["run_at"] == after(31)
    assert woken.times == 1
