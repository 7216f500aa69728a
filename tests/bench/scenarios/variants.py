"""The same load with another kind of handler or payload. Payloads are sealed in all of them."""

import functools
from typing import Any

from tests.bench.offer import drive
from tests.bench.repeated import Once, repeated
from tests.bench.report import Figure, Report
from tests.bench.rig import Rig, span
from tests.bench.scenarios.batch import AT_MOST

VARIANTS: dict[str, dict[str, Any]] = {
    "def": {"handler": "bench.noop"},
    "async def": {"handler": "bench.anoop"},
    "def, 1 KiB payload": {"handler": "bench.noop", "payload": {"text": "x" * 1_012}},  # 1,024 bytes as JSON
    "async def, 1 KiB payload": {"handler": "bench.anoop", "payload": {"text": "x" * 1_012}},
}


async def measure(rig: Rig) -> Report:
    report = Report()
    for name, task in VARIANTS.items():
        requests = rig.batches(rig.scale.variant_tasks, **task)
        found = await repeated(rig, functools.partial(_once, rig, name, requests), {name: "tasks/s"})
        report.figures += found.figures
        report.add(found.count, found.refused)
        if found.cost is not None:
            report.figures.append(Figure(f"{name}: WAL", "bytes/task", [found.cost.wal]))
    return report


async def _once(rig: Rig, name: str, requests: list[bytes]) -> Once:
    load = await drive(rig.pool, requests, at_most=AT_MOST)
    await rig.ran(load.tasks)
    times = await rig.times()
    return Once(load, {name: len(times) / span(times)})
