"""What each process holds after all the work before, its children included. PSS shares out what they share."""

from tests.bench.offer import drive
from tests.bench.report import Figure, Report
from tests.bench.rig import Rig


async def measure(rig: Rig) -> Report:
    await rig.empty()
    load = await drive(rig.pool, rig.batches(rig.scale.burst_tasks))
    await rig.ran(load.tasks)
    found = rig.meter.memory()
    total = sum(value for name, value in found.items() if name.endswith("PSS"))
    return Report(
        figures=[*(Figure(name, "MiB", [value]) for name, value in found.items()), Figure("all, PSS", "MiB", [total])],
        count=rig.count(load),
        refused=load.refused,
    )
