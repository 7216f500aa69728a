"""What each statement costs PostgreSQL for one task: in batches, and at the steady rate.

PostgreSQL writes it into its log, which slows the work down, so nothing else is measured here.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from tests.bench.offer import Offered, drive, evenly, offer
from tests.bench.report import Figure, Report, Table
from tests.bench.rig import Rig
from tests.bench.scenarios.batch import AT_MOST
from tests.bench.statements import Costs, Spent, told_by

_SHOWN = 0.005
"""A statement is shown when it takes this part of what its way takes in all."""


async def measure(rig: Rig) -> Report:
    rate, seconds = rig.scale.sustained_rate, rig.scale.statement_seconds
    ways: Mapping[str, Callable[[], Awaitable[Offered]]] = {
        "batch": lambda: drive(rig.pool, rig.batches(rig.scale.statement_tasks), at_most=AT_MOST),
        "sustained": lambda: offer(rig.pool, evenly(rig.singles(rate * seconds), rate=rate)),
    }
    report = Report()
    found: dict[str, tuple[Costs, int]] = {}
    for name, way in ways.items():
        await rig.empty()
        async with told_by(rig.database, rig.stack.directory / "logs" / "postgres.log") as costs:
            load = await way()
            await rig.ran(load.tasks)
        ours = {(who, what): spent for (who, what), spent in costs.items() if who.startswith("tidewheel-")}
        tasks = max(load.tasks, 1)
        found[name] = (ours, tasks)
        report.add(rig.count(load), load.refused)
        report.figures.append(Figure(f"{name}: all statements", "µs/task", [_microseconds(ours.values(), tasks)]))
    report.table = _table(found)
    return report


def _table(found: Mapping[str, tuple[Costs, int]]) -> Table:
    """Return a line for each statement that costs anything to speak of, the dearest of all ways first."""
    header = ["who", "statement", *(part for way in found for part in (f"{way}: per 1,000 tasks", f"{way}: µs a task"))]
    shares: dict[tuple[str, str], float] = {}
    for costs, _ in found.values():
        total = sum(spent.seconds for spent in costs.values()) or 1e-9
        for which, spent in costs.items():
            shares[which] = shares.get(which, 0.0) + spent.seconds / total
    ranked = sorted((which for which in shares if shares[which] >= _SHOWN), key=lambda which: -shares[which])
    rows = []
    for who, what in ranked:
        cells = []
        for costs, tasks in found.values():
            spent = costs.get((who, what), Spent())
            cells += [f"{1000 * spent.calls / tasks:,.1f}", f"{_microseconds([spent], tasks):,.1f}"]
        rows.append((who.removeprefix("tidewheel-"), f"`{what}`", *cells))
    return Table(header, rows)


def _microseconds(spent: Iterable[Spent], tasks: int) -> float:
    return 1e6 * sum(each.seconds for each in spent) / tasks
