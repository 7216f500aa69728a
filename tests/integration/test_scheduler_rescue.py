"""Rescue of lost tasks on a real PostgreSQL."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from tests.integration.scheduler_rows import NOW, TENANT, Rows, Wakes, after, count
from tests.support import text

from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_scheduler import queries
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.forget import SILENCE, Forget
from tidewheel_scheduler.queries import LostTask
from tidewheel_scheduler.ration import Ration
from tidewheel_scheduler.rescue import Rescue, judge
from tidewheel_scheduler.vigil import SHORTEST_GAP, Vigil

STALE = 15.0
JITTER = 0.25


class Scene:
    """A rescue with everything that it touches."""

    def __init__(self, engine: Engine, *, size: int = 100) -> None:
        self.rows = Rows(engine)
        self.promote = Wakes()
        self.final = Wakes()
        self.registry = CollectorRegistry()
        self.rescue = Rescue(
            engine=engine,
            stale=STALE,
            vigil=Vigil(engine, gap=SHORTEST_GAP),
            ration=Ration(1000),
            wake_promote=self.promote,
            announce=self.final,
            counts=Counts(self.registry),
            jitter=lambda: JITTER,
            size=size,
        )

    async def running(
        self, *, heard: float | None, claimed: float = -60.0, lease: float = 3600.0, **columns: object
    ) -> UUID:
        """A running task; `heard` is when its executor last gave a sign, None when it has no row."""
        executor_id = uuid4() if heard is None else await self.rows.executor(after(heard))
        columns = {"attempt": 4, "executor_id": executor_id, **columns}
        times: dict[str, datetime] = {
            "started_at": after(claimed),
            "queued_at": after(claimed),
            "lease_until": after(lease),
        }
        return await self.rows.task("running", **{**times, **columns})


@pytest.fixture
async def scene(engine: Engine) -> Scene:
    scene = Scene(engine)
    await scene.rows.watched(since=after(-7200))
    return scene


async def test_a_silent_executor_loses_its_tasks(scene: Scene) -> None:
    task_id = await scene.running(heard=-STALE - 0.1, failures=2)
    before = await scene.rows.task_row(task_id)
    await scene.rescue.tick(NOW)
    row = await scene.rows.task_row(task_id)
    expected = {
        "state": "waiting",
        "wait_until": after(JITTER),
        "run_at": after(JITTER),
        "lost": 1,
        "failures": 2,
        "attempt": 4,
        "executor_id": None,
        "lease_until": None,
        "queued_at": None,
        "reason": None,
        "finished_at": None,
        "remove_at": None,
    }
    assert {name: row[name] for name in expected} == expected
    (attempt,) = await scene.rows.all_attempts()
    logged = {
        "task_id": task_id,
        "attempt": 4,
        "tenant_id": TENANT,
        "executor_id": before["executor_id"],
        "state": "lost",
        "started_at": after(-60),
        "finished_at": NOW,
    }
    assert {name: attempt[name] for name in logged} == logged
    assert (scene.promote.times, scene.final.times) == (1, 0)
    assert count(scene.registry, "tidewheel_scheduler_rescued_total", state="waiting") == 1


async def test_an_executor_without_a_row_is_silent(scene: Scene) -> None:
    task_id = await scene.running(heard=None)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "waiting"


async def test_a_fresh_claim_of_an_unknown_executor_is_left_alone(scene: Scene) -> None:
    task_id = await scene.running(heard=None, claimed=-STALE + 0.1)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "running"


async def test_a_task_of_a_living_executor_is_left_alone(scene: Scene) -> None:
    task_id = await scene.running(heard=-STALE + 0.1)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "running"
    assert await scene.rows.all_attempts() == []


async def test_a_task_over_its_lease_is_taken_from_a_living_executor(scene: Scene) -> None:
    task_id = await scene.running(heard=0, claimed=-5, lease=-0.1)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "waiting"


async def test_at_most_once_ends_dead_and_never_runs_again(scene: Scene) -> None:
    task_id = await scene.running(heard=None, delivery="at_most_once")
    await scene.rescue.tick(NOW)
    row = await scene.rows.task_row(task_id)
    assert (row["state"], row["reason"], row["lost"]) == ("dead", "lost", 1)
    assert (row["finished_at"], row["remove_at"], row["wait_until"]) == (NOW, after(60), None)
    assert [attempt["state"] for attempt in await scene.rows.all_attempts()] == ["lost"]
    assert scene.final.words == [task_id]
    assert scene.promote.times == 0
    assert count(scene.registry, "tidewheel_scheduler_rescued_total", state="dead") == 1


async def test_the_third_loss_is_poison(scene: Scene) -> None:
    second = await scene.running(heard=None, lost=1)
    third = await scene.running(heard=None, lost=2)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(second))["state"] == "waiting"
    row = await scene.rows.task_row(third)
    assert (row["state"], row["reason"], row["lost"]) == ("dead", "poison", 3)


async def test_a_lost_task_whose_cancellation_was_asked_for_ends_and_does_not_run_again(scene: Scene) -> None:
    task_id = await scene.running(heard=None, cancel_requested_at=after(-30))
    await scene.rescue.tick(NOW)
    row = await scene.rows.task_row(task_id)
    assert (row["state"], row["reason"], row["lost"]) == ("cancelled", "cancelled", 1)
    assert scene.final.words == [task_id]


async def test_a_queued_task_is_not_the_schedulers(scene: Scene) -> None:
    task_id = await scene.rows.task("queued", queued_at=after(-3600))
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "queued"


async def test_an_attempt_that_has_been_logged_stops_nobody(scene: Scene, engine: Engine) -> None:
    task_id = await scene.running(heard=None)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO attempts (task_id, attempt, tenant_id, state, finished_at) "
                "VALUES (:id, 4, :tenant, 'failed', :now)"
            ),
            {"id": task_id, "tenant": TENANT, "now": NOW},
        )
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "waiting"
    assert [attempt["state"] for attempt in await scene.rows.all_attempts()] == ["failed"]


async def test_a_task_that_is_being_finished_is_left_to_its_executor(scene: Scene, engine: Engine) -> None:
    held = await scene.running(heard=None)
    free = await scene.running(heard=None)
    async with engine.begin() as executor:
        await executor.execute(text("SELECT FROM tasks WHERE id = :id FOR UPDATE"), {"id": held})
        await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(held))["state"] == "running"
    assert (await scene.rows.task_row(free))["state"] == "waiting"


async def test_a_verdict_on_an_older_attempt_is_stale(scene: Scene, engine: Engine) -> None:
    task_id = await scene.running(heard=None, attempt=5)
    lost = LostTask(id=task_id, attempt=4, failures=0, lost=0, delivery="at_least_once", max_attempts=5)
    async with engine.begin() as connection:
        assert await queries.tasks_rescue(connection, list(judge([lost], lambda: JITTER)), now=NOW) == []
    assert (await scene.rows.task_row(task_id))["state"] == "running"
    assert await scene.rows.all_attempts() == []


def test_a_row_that_cannot_be_decided_stops_nobody() -> None:
    odd = LostTask(id=uuid4(), attempt=1, failures=0, lost=0, delivery="twice", max_attempts=5)
    sound = LostTask(id=uuid4(), attempt=1, failures=0, lost=0, delivery="at_least_once", max_attempts=5)
    assert [verdict.id for verdict in judge([odd, sound], lambda: JITTER)] == [sound.id]


async def test_a_full_batch_takes_the_oldest_and_comes_again(engine: Engine) -> None:
    scene = Scene(engine, size=1)
    await scene.rows.watched(since=after(-7200))
    later = await scene.running(heard=None, claimed=-60)
    older = await scene.running(heard=None, claimed=-120)
    assert await scene.rescue.tick(NOW) == AGAIN
    assert (await scene.rows.task_row(older))["state"] == "waiting"
    assert (await scene.rows.task_row(later))["state"] == "running"
    assert await scene.rescue.tick(NOW) == AGAIN
    assert await scene.rescue.tick(NOW) is None


async def test_silence_does_not_count_before_the_database_has_been_watched(engine: Engine) -> None:
    scene = Scene(engine)
    task_id = await scene.running(heard=None)
    await scene.rescue.tick(NOW)
    assert (await scene.rows.task_row(task_id))["state"] == "running"


async def test_executors_gone_for_good_are_forgotten_once_they_hold_nothing(scene: Scene, engine: Engine) -> None:
    await scene.rows.executor(after(-SILENCE - 1))
    living = await scene.rows.executor(after(-SILENCE + 1))
    holding = await scene.rows.task_row(await scene.running(heard=-SILENCE - 1))
    await Forget(engine=engine).tick(NOW)
    assert {row["id"] for row in await scene.rows.all_executors()} == {living, holding["executor_id"]}
