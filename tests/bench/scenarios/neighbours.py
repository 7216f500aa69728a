"""Fast tasks alone, then beside slow ones: a slow handler in a queue of its own, and one long task among the packed.

A task that travels in a pack counts as started when its pack does, so what is measured here is the time from when a
task was due until it was finished.
"""

from collections.abc import Sequence

from tests.bench.offer import Offered, drive, evenly, offer
from tests.bench.report import Bar, Figure, Report, quantile
from tests.bench.rig import Rig
from tests.support import wait_until

PACK = 10
"""Fast tasks come in batches of so many, so that they are packed."""

_P99 = 50
_MAX = 500
"""Milliseconds: nobody may wait for the long one, not even who came in the same batch."""

_SLOW_TASKS = 20

_RUNNING = "SELECT EXISTS (SELECT FROM tasks WHERE lease_until IS NOT NULL)"


async def measure(rig: Rig) -> Report:
    alone = await _alone(rig)
    backlog = await _beside_a_backlog(rig)
    long_one = await _beside_a_long_one(rig)
    report = Report(figures=[*alone.figures, *backlog.figures, *long_one.figures])
    for each in (alone, backlog, long_one):
        report.add(each.count, each.refused)
    report.bars = [
        Bar(figure="beside a slow queue, p99", most=_P99),
        Bar(figure="beside one long task, max", most=_MAX),
    ]
    return report


async def _alone(rig: Rig) -> Report:
    await rig.empty()
    fast = await offer(rig.pool, _fast(rig))
    return await _finished(rig, "alone", fast, fast.ids)


async def _beside_a_backlog(rig: Rig) -> Report:
    """Let the children have slow work of another queue all the while, more than they can take at once."""
    await rig.empty()
    seconds = rig.scale.neighbour_seconds
    task = {"handler": "bench.slow", "payload": {"seconds": seconds / 10}, "queue": "slow"}
    slow = await drive(rig.pool, rig.batches(_SLOW_TASKS, _SLOW_TASKS, **task))
    await wait_until(lambda: rig.database.fetchval(_RUNNING), what="the start of a slow task")
    fast = await offer(rig.pool, _fast(rig))
    return await _finished(rig, "beside a slow queue", fast, fast.ids, slow)


async def _beside_a_long_one(rig: Rig) -> Report:
    """Let one task of a handler that is known to be short take long, in the middle of a batch."""
    await rig.empty()
    tasks = [{"handler": "bench.block", "payload": {"seconds": 0}} for _ in range(PACK)]
    tasks[PACK // 2]["payload"] = {"seconds": rig.scale.neighbour_seconds}
    arrivals = _fast(rig)
    middle = len(arrivals) // 4
    arrivals[middle] = (arrivals[middle][0], rig.pool.encode("/v1/tasks:batch", {"tasks": tasks}))
    load = await offer(rig.pool, arrivals)
    with_long = min(load.answers, key=lambda answer: abs(answer.due - load.began - arrivals[middle][0]))
    fast = [each for each in load.ids if each != with_long.ids[PACK // 2]]
    return await _finished(rig, "beside one long task", load, fast)


def _fast(rig: Rig) -> list[tuple[float, bytes]]:
    rate, seconds = rig.scale.neighbour_rate, rig.scale.neighbour_seconds
    requests = rig.batches(int(rate * seconds), PACK, handler="bench.block", payload={"seconds": 0})
    return evenly(requests, rate=rate / PACK)


async def _finished(rig: Rig, name: str, load: Offered, fast: Sequence[bytes], *others: Offered) -> Report:
    await rig.ran(load.tasks + sum(other.tasks for other in others))
    wanted = {task_id.decode() for task_id in fast}
    took = [1000 * (each.finished - each.due) for each in await rig.times() if each.id in wanted]
    figures = {"p50": quantile(took, 0.5), "p99": quantile(took, 0.99), "max": max(took)}
    late = sum(1 for each in took if each > _MAX)
    return Report(
        figures=[
            *(Figure(f"{name}, {what}", "ms", [value]) for what, value in figures.items()),
            Figure(f"{name}, later than {_MAX} ms", f"of {len(took):,} tasks", [late]),
        ],
        count=rig.count(load, *others),
        refused=load.refused,
    )
