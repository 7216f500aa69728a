"""Very many tasks go through and are removed: do the tables stay small, and is the end as quick as the start?"""

import functools
import time

from tests.bench.course import course_of
from tests.bench.offer import Load
from tests.bench.report import Bar, Figure, Report
from tests.bench.rig import BATCH, Rig
from tests.bench.scenarios.batch import AT_MOST
from tests.bench.sizes import Sizes, sizes
from tests.support import wait_until

_IN_FLIGHT = 10_000
"""Accepted and not run yet at most: a backlog that only grows would measure something else."""

_TENTH = 0.9
_GROWTH = 1.5
"""The tables at the end may be so many times what they were half-way."""

_GONE = "SELECT NOT EXISTS (SELECT FROM tasks)"


async def measure(rig: Rig) -> Report:
    await rig.empty()
    count = rig.scale.churn_tasks
    began = await rig.meter.read()
    async with course_of(rig.ledger) as course:
        load, half_way, largest = await _churn(rig, count)
        await rig.ran(load.offered.tasks)
    cost = await rig.meter.cost(began, max(load.offered.tasks, 1))
    await wait_until(lambda: rig.database.fetchval(_GONE), timeout=120, what="the removal of the last task")
    end = await sizes(rig.database)
    first, last = course.rate_of_runs(0, count // 10), course.rate_of_runs(count - count // 10, count)
    figures = {
        "first tenth": ("tasks/s", first),
        "last tenth": ("tasks/s", last),
        "last tenth, of the first": ("%", 100 * last / max(first, 1e-9)),
        "tables and indexes half-way": ("MiB", half_way.both),
        "tables and indexes at most": ("MiB", largest),
        "tables at the end": ("MiB", end.tables),
        "indexes at the end": ("MiB", end.indexes),
        "at the end, of half-way": ("times", end.both / max(half_way.both, 1e-9)),
        "dead rows at the end": ("rows", float(end.dead)),
    }
    return Report(
        figures=[Figure(name, unit, [value]) for name, (unit, value) in figures.items()],
        bars=[
            Bar(figure="last tenth, of the first", least=100 * _TENTH),
            Bar(figure="at the end, of half-way", most=_GROWTH),
        ],
        cost=cost,
        count=rig.count(load.offered),
        refused=load.offered.refused,
    )


async def _churn(rig: Rig, count: int) -> tuple[Load, Sizes, float]:
    """Return the load, the sizes half-way, and the largest size that was seen (MiB)."""
    requests = rig.batches(count, removal_delay=0)
    load = Load(rig.pool)
    half_way = await sizes(rig.database)
    largest = half_way.both
    for place, request in enumerate(requests):
        await load.answered(below=AT_MOST)
        await wait_until(functools.partial(_room, rig, (place + 1) * BATCH), timeout=120, what="room")
        load.send(request, time.monotonic())
        if place % max(len(requests) // 20, 1) == 0:
            now = await sizes(rig.database)
            largest = max(largest, now.both)
            if place <= len(requests) // 2:
                half_way = now
    await load.answered()
    return load, half_way, largest


def _room(rig: Rig, sent: int) -> bool:
    return sent - rig.ledger.runs() <= _IN_FLIGHT
