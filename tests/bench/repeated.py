"""Runs a short measurement several times, each time on an empty stack."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tests.bench.offer import Offered
from tests.bench.report import Figure, Report
from tests.bench.rig import Rig


@dataclass(frozen=True, slots=True)
class Once:
    """One run: what was offered, and its figures by name."""

    load: Offered
    figures: Mapping[str, float]


async def repeated(rig: Rig, once: Callable[[], Awaitable[Once]], units: Mapping[str, str]) -> Report:
    """Measure as often as the scale says.

    Args:
        rig: the stack; it is emptied before each run.
        once: one run, until its last task is final.
        units: the unit of each figure; says in which order they are shown.

    Returns:
        The figures of all runs, all their ids counted, and what the last run cost.
    """
    report = Report()
    runs: list[Mapping[str, float]] = []
    for _ in range(rig.scale.runs):
        await rig.empty()
        began = await rig.meter.read()
        found = await once()
        report.cost = await rig.meter.cost(began, max(found.load.tasks, 1))
        report.add(rig.count(found.load), found.load.refused)
        runs.append(found.figures)
    report.figures = [Figure(name, unit, [run[name] for run in runs]) for name, unit in units.items()]
    return report
