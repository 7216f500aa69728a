"""Idle pickup: what one task waits for when nothing else happens. Every wake-up on the way shows here."""

from itertools import accumulate
from random import Random

from tests.bench.offer import offer
from tests.bench.report import Bar, Figure, Report, quantile
from tests.bench.rig import Rig


async def measure(rig: Rig) -> Report:
    await rig.empty()
    random = Random(1)  # noqa: S311 - so that polling intervals are not hit in step
    pauses = (rig.scale.idle_pause * random.uniform(0.7, 1.3) for _ in range(rig.scale.idle_tasks))
    load = await offer(rig.pool, zip(accumulate(pauses), rig.singles(rig.scale.idle_tasks), strict=True))
    await rig.ran(load.tasks)
    pickups = [each.pickup for each in await rig.times()]
    return Report(
        figures=[
            Figure("pickup p50", "ms", [quantile(pickups, 0.5)]),
            Figure("pickup p99", "ms", [quantile(pickups, 0.99)]),
            Figure("pickup max", "ms", [max(pickups)]),
            Figure("accept p50", "ms", [quantile(load.latencies, 0.5)]),
        ],
        bars=[Bar(figure="pickup p99", most=25)],
        count=rig.count(load),
        refused=load.refused,
    )
