"""A process dies between any two steps: nothing accepted is lost, and what ran twice is told from what did not."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest
from tests.chaos.failpoints.rig import QUIET, Rig
from tests.support import wait_until

from tidewheel_client import ApiError
from tidewheel_common.process.failpoints import FAILPOINTS

POINTS = [point.name for point in FAILPOINTS]

LOSING = frozenset({"scheduler.rescuing", "executor.claimed", "executor.ran", "executor.acking", "executor.beating"})
"""Where an executor, or a child of it, dies while tasks may run: their attempts are lost. Nowhere else is any."""

SURE_TO_LOSE = frozenset({"scheduler.rescuing", "executor.claimed", "executor.ran"})
SURE_TO_REPEAT = frozenset({"executor.ran"})
"""Where handlers have had their effect and nobody will ever know."""

REHYDRATING = ("dispatcher.rehydrating", "dispatcher.rehydrated")

PREPARATIONS: dict[str, Callable[[Rig], None]] = {
    # A child that hangs keeps its tasks `running` until its whole executor is killed.
    "scheduler.rescuing": lambda rig: rig.arm("executor.claimed", "hang"),
    # An executor that stands still leaves the hints in Redis, where they can be lost.
    **dict.fromkeys(REHYDRATING, lambda rig: rig.executors(signal.SIGSTOP)),
}

RUNS_FOR = {"complete": {1}, "failed": {1}, "lost": {0, 1}, "interrupted": {0, 1}}
"""How often an attempt may have run whose end was recorded so."""


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
            await rig.client.redrive(str(task_id))
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
    schedule = await rig.client.create_schedule(point, "ledger.note", every=1, payload={"ledger": str(rig.ledger)})
    await rig.until_fired(point)
    await rig.until_final(work.ids)
    await until_it_fires(rig, UUID(schedule["id"]))
    await redrive(rig, work)
    await rig.client.delete_schedule(schedule["id"])
    everything = work.ids | await rig.fires(UUID(schedule["id"]))
    await rig.until_final(everything)

    assert await rig.born_since(began) <= everything, "a task that nobody knows: one submission was accepted twice"
    await check_states(rig, work, everything)
    await check_attempts(rig, everything - work.removed, point)


async def until_it_fires(rig: Rig, schedule_id: UUID) -> None:
    async def fires() -> set[UUID]:
        return await rig.fires(schedule_id)

    await wait_until(fires, timeout=QUIET, what="a fire")


async def check_states(rig: Rig, work: Work, everything: set[UUID]) -> None:
    rows = await rig.rows(everything)
    assert everything - rows.keys() <= work.removed, "a task has vanished"
    assert {row["state"] for row in rows.values()} == {"complete"}


async def check_attempts(rig: Rig, ids: set[UUID], point: str) -> None:
    """Hold the execution logs against what the handlers say."""
    rows, logs, runs = await rig.rows(ids), await rig.attempts(ids), rig.runs()
    lost: list[UUID] = []
    repeated: list[UUID] = []
    for task_id in ids:
        log = logs[task_id]
        assert [number for number, _ in log] == list(range(1, rows[task_id]["attempt"] + 1)), "an attempt is missing"
        ran = runs[task_id]
        for number, state in log:
            assert ran[number] in RUNS_FOR[state], f"attempt {number} ended {state} and ran {ran[number]} times"
            lost += [task_id] * (state == "lost")
            repeated += [task_id] * (state == "lost" and ran[number] > 0)
        assert set(ran) <= {number for number, _ in log}, "an attempt ran that nobody knows"
    assert bool(lost) or point not in SURE_TO_LOSE
    assert bool(repeated) or point not in SURE_TO_REPEAT
    assert not lost or point in LOSING
