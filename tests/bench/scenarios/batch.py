"""Batches of 1,000 over HTTP, as fast as they are accepted, until the last task is complete."""

from tests.bench.offer import drive
from tests.bench.repeated import Once, repeated
from tests.bench.report import Bar, Report
from tests.bench.rig import Rig, span

AT_MOST = 4
"""Batches that are open at a time."""

_UNITS = {"accepted": "tasks/s", "end to end": "tasks/s", "last accepted to last complete": "ms"}


async def measure(rig: Rig) -> Report:
    requests = rig.batches(rig.scale.batch_tasks)

    async def once() -> Once:
        load = await drive(rig.pool, requests, at_most=AT_MOST)
        await rig.ran(load.tasks)
        times = await rig.times()
        drained = max(each.finished for each in times) - max(each.accepted for each in times)
        return Once(
            load,
            {
                "accepted": load.tasks / load.seconds,
                "end to end": len(times) / span(times),
                "last accepted to last complete": 1000 * drained,
            },
        )

    report = await repeated(rig, once, _UNITS)
    report.bars = [Bar(figure="end to end", least=10_000)]
    return report
