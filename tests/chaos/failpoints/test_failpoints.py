"""A process dies between any two steps: nothing accepted is lost, and what ran twice is told from what did not."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest
from tests.chaos.failpoints.rig import QUIET, Rig
from tests.chaos.failpoints.story import faults
from tests.support import wait_until

from tidewheel_client import ApiError
from tidewheel_common.process.failpoints import FAILPOINTS

POINTS = [point.name for point in FAILPOINTS]

LOSING = frozenset({"scheduler.rescuing", "executor.claimed", "executor.ran", "executor.acking", "executor.beating"})
"""Where an executor, or a child of it, dies while tasks may run: their attempts are lost. Nowhere else is any."""

REPEATING = LOSING - {"executor.claimed"}
"""Where a handler may have had its effect, and nobody will ever know."""

SURE_TO_LOSE = frozenset({"scheduler.rescuing", "executor.claimed", "executor.ran"})
SURE_TO_REPEAT = frozenset({"executor.ran"})

REHYDRATING = ("dispatcher.rehydrating", "dispatcher.rehydrated")

PREPARATIONS: dict[str, Callable[[Rig], None]] = {
    # A child that hangs keeps its tasks `running` until its whole executor is killed.
    "scheduler.rescuing": lambda rig: rig.arm("executor.claimed", "hang"),
    # An executor that stands still leaves the hints in Redis, where they can be lost.
    **dict.fromkeys(REHYDRATING, lambda rig: rig.executors(signal.SIGSTOP)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was accepted."""

    ids: set[UUID]
    removed: set[UUID]
    unmended: list[UUID]
    tag: str


async def provoke(rig: Rig, point: str) -> None:
    """Bring a process to where it does not come by working alone."""
    if point in REHYDRATING:
        await rig.until_queued(40)
        await rig.empty_redis()
        await rig.until_fired(point)
        rig.executors(signal.SIGCONT)
    elif point == "executor.giving_back":
        rig.executor(signal.SIGTERM)
    elif point == "scheduler.rescuing":
        await rig.until_fired("executor.claimed")
        rig.executors(signal.SIGKILL)


async def submit(rig: Rig, point: str) -> Work:
    """Have work of every kind accepted, and accepted again under the same key."""
    again = {"max_attempts": 1, "payload": {"once": str(rig.directory / f"{point}.mended")}}
    kinds = [
        *(rig.work() for _ in range(24)),
        *(rig.work(handler="ledger.anote") for _ in range(12)),
        *(rig.work(handler="ledger.flaky", backoff={"initial": 0.05}) for _ in range(8)),
        *(rig.work(delay=0.5) for _ in range(8)),
        *(rig.work(**again) | {"handler": "ledger.redriven"} for _ in range(2)),
        *(rig.work(removal_delay=0.2) for _ in range(4)),
    ]
    first = await rig.submit(kinds, key=point)
    await provoke(rig, point)
    assert await rig.submit(kinds, key=point) == first, "the same key stands for the same tasks"
    ids = [UUID(each) for each in first]
    return Work(ids=set(ids), removed=set(ids[-4:]), unmended=ids[-6:-4], tag=point)


async def redrive(rig: Rig, work: Work) -> None:
    """Mend what kept two tasks from succeeding, and let them run again."""
    (rig.directory / f"{work.tag}.mended").touch()
    for task_id in work.unmended:
        try:
            await rig.client.tasks.redrive(task_id)
        except ApiError as error:
            # An answer was lost, and the first call had been heard.
            assert error.status == 409, error  # noqa: PT017 -- the other outcome, success, is as good


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", POINTS)
async def test_nothing_is_lost_when_a_process_dies_at(rig: Rig, point: str) -> None:
    await rig.until_whole()
    began = await rig.now()
    if point in PREPARATIONS:
        PREPARATIONS[point](rig)
    rig.arm(point)

    work = await submit(rig, point)
    schedule = await rig.client.schedules.create(point, "ledger.note", {"ledger": str(rig.ledger)}, every=1)
    await rig.until_fired(point)
    await rig.until_final(work.ids)
    await until_it_fires(rig, schedule.id)
    await redrive(rig, work)
    await rig.client.schedules.delete(schedule)
    everything = work.ids | await rig.fires(schedule.id)
    await rig.until_final(everything)

    assert await rig.born_since(began) <= everything, "a task that nobody knows: one submission was accepted twice"
    await check(rig, work, everything, point)


async def until_it_fires(rig: Rig, schedule_id: UUID) -> None:
    async def fires() -> set[UUID]:
        return await rig.fires(schedule_id)

    await wait_until(fires, timeout=QUIET, what="a fire")


async def check(rig: Rig, work: Work, everything: set[UUID], point: str) -> None:
    """Hold the tasks and their execution logs against what the handlers say."""
    stories = await rig.stories(everything, short_lived=work.removed)
    wrong = {task_id: found for task_id, story in stories.items() if (found := list(faults(story)))}
    assert wrong == {}
    losses = sum(story.losses for story in stories.values())
    repeats = sum(story.repeats for story in stories.values())
    assert losses or point not in SURE_TO_LOSE
    assert repeats or point not in SURE_TO_REPEAT
    assert not losses or point in LOSING
    assert not repeats or point in REPEATING
