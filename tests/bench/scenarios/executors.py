"""What more children and a second executor bring, each executor a deployable of its own as two pods would be.

Two kinds of work: no-ops, of which the machine can do only so many however many ask for them, and tasks that wait, of
which twice as many children do twice as many. Each number of children has a stack of its own; the one that the other
scenarios share stands idle beside it.
"""

import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from tests.bench.executor import another_executor
from tests.bench.offer import drive
from tests.bench.repeated import Once, repeated
from tests.bench.report import Report
from tests.bench.rig import BATCH, Rig, open_rig, span
from tests.bench.scenarios.batch import AT_MOST

WAIT = 0.01
"""Seconds."""


async def measure(rig: Rig) -> Report:
    report = Report()
    for children in rig.scale.children:
        settings = {"TIDEWHEEL_CONCURRENCY": str(children)}
        with tempfile.TemporaryDirectory(prefix="stack-", dir=rig.stack.directory.parent) as directory:
            async with open_rig(Path(directory), rig.scale, settings) as own:
                for executors in (1, 2):
                    async with nullcontext() if executors == 1 else another_executor(own, settings):
                        await _both_kinds(own, report, executors, children)
    return report


async def _both_kinds(rig: Rig, report: Report, executors: int, children: int) -> None:
    waiting = {"handler": "bench.block", "payload": {"seconds": WAIT}}
    kinds = {
        "no-ops": rig.batches(rig.scale.executor_tasks, BATCH, handler="bench.noop"),
        f"work that waits {1000 * WAIT:.0f} ms": rig.batches(
            rig.scale.executor_slow_tasks * executors * children, rig.scale.executor_slow_tasks, **waiting
        ),
    }
    for kind, requests in kinds.items():
        name = f"{kind}: {executors} of {children}"
        await rig.empty()
        await _once(rig, name, requests)  # a new executor learns how long this work takes
        found = await repeated(rig, partial(_once, rig, name, requests), {name: "tasks/s"})
        report.figures += found.figures
        report.add(found.count, found.refused)


async def _once(rig: Rig, name: str, requests: list[bytes]) -> Once:
    load = await drive(rig.pool, requests, at_most=AT_MOST)
    await rig.ran(load.tasks)
    times = await rig.times()
    return Once(load, {name: len(times) / span(times)})
