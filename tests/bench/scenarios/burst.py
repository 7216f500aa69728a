"""A burst: 10,000 tasks offered within one second, by single submissions and by batches (open loop)."""

import functools

from tests.bench.offer import evenly, offer
from tests.bench.repeated import Once, repeated
from tests.bench.report import Bar, Figure, Report, quantile
from tests.bench.rig import Rig

_UNITS = {"all accepted": "ms", "accept p50": "ms", "accept p99": "ms", "last accepted to last complete": "ms"}
_ALL_ACCEPTED = {"single": 2_500, "batch": 1_000}
_ALL_COMPLETE = 2_000


async def measure(rig: Rig) -> Report:
    count = rig.scale.burst_tasks
    arrivals = {
        "single": evenly(rig.singles(count), rate=count),  # the last is due just before the second is over
        "batch": [(0.0, request) for request in rig.batches(count)],  # all at once: the harder half of "within"
    }
    report = Report()
    for way, due in arrivals.items():
        found = await repeated(rig, functools.partial(_burst, rig, due), _UNITS)
        report.figures += [Figure(f"{way}: {each.name}", each.unit, each.runs) for each in found.figures]
        report.bars += [
            Bar(figure=f"{way}: all accepted", most=_ALL_ACCEPTED[way]),
            Bar(figure=f"{way}: last accepted to last complete", most=_ALL_COMPLETE),
        ]
        report.add(found.count, found.refused)
        if found.cost is not None:
            report.figures.append(
                Figure(f"{way}: load generator's share of the CPU time", "%", [100 * found.cost.generator])
            )
    return report


async def _burst(rig: Rig, arrivals: list[tuple[float, bytes]]) -> Once:
    load = await offer(rig.pool, arrivals)
    await rig.ran(load.tasks)
    times = await rig.times()
    drained = max(each.finished for each in times) - max(each.accepted for each in times)
    return Once(
        load,
        {
            "all accepted": 1000 * load.seconds,
            "accept p50": quantile(load.latencies, 0.5),
            "accept p99": quantile(load.latencies, 0.99),
            "last accepted to last complete": 1000 * drained,
        },
    )
