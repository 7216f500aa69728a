"""Single submissions, each connection sending its next one as soon as it has its answer (closed loop)."""

from tests.bench.offer import drive
from tests.bench.repeated import Once, repeated
from tests.bench.report import Report, quantile
from tests.bench.rig import Rig, span

_UNITS = {"accepted": "tasks/s", "accept p50": "ms", "accept p99": "ms", "end to end": "tasks/s"}


async def measure(rig: Rig) -> Report:
    requests = rig.singles(rig.scale.single_tasks)

    async def once() -> Once:
        load = await drive(rig.pool, requests)
        await rig.ran(load.tasks)
        times = await rig.times()
        return Once(
            load,
            {
                "accepted": load.tasks / load.seconds,
                "accept p50": quantile(load.latencies, 0.5),
                "accept p99": quantile(load.latencies, 0.99),
                "end to end": len(times) / span(times),
            },
        )

    return await repeated(rig, once, _UNITS)
