"""A transaction stays open, so that nothing that dies meanwhile can be cleaned away; tasks come and go all the while.

Besides the rate that is offered and met, what could be met is measured before, and again while the transaction is
still open.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from tests.bench.course import course_of
from tests.bench.offer import drive, evenly, offer
from tests.bench.report import Bar, Figure, Report
from tests.bench.rig import Rig
from tests.bench.scenarios.batch import AT_MOST
from tests.bench.sizes import sizes

_SIZE = 20
"""Tasks in one submission of the steady load."""

_KEPT = 65
"""Percent of what it was at the start: "within 35 %"."""


async def measure(rig: Rig) -> Report:
    report = Report()
    before = await _drain(rig, report)
    await rig.empty()
    scale = rig.scale
    edge = max(scale.held_seconds / 12, 0.5)
    async with _held(rig):
        requests = rig.batches(scale.held_rate * scale.held_seconds, _SIZE, removal_delay=0)
        async with course_of(rig.ledger) as course:
            load = await offer(rig.pool, evenly(requests, rate=scale.held_rate / _SIZE))
            end = load.began + scale.held_seconds
        await rig.ran(load.tasks)
        report.add(rig.count(load), load.refused)
        rig.ledger.empty()
        after = await _drain(rig, report)
        at_the_end = await sizes(rig.database)
    # What one edge takes to flow in is left out: the first tasks are not finished at the first instant.
    start_rate = course.rate_between(load.began + edge / 4, load.began + edge)
    end_rate = course.rate_between(end - edge, end)
    report.figures = [
        Figure("rate at the start", "tasks/s", [start_rate]),
        Figure("rate at the end", "tasks/s", [end_rate]),
        Figure("rate at the end, of that at the start", "%", [100 * end_rate / max(start_rate, 1e-9)]),
        Figure("possible before", "tasks/s", [before]),
        Figure("possible at the end", "tasks/s", [after]),
        Figure("possible at the end, of that before", "%", [100 * after / before]),
        Figure("tables at the end", "MiB", [at_the_end.tables]),
        Figure("indexes at the end", "MiB", [at_the_end.indexes]),
    ]
    report.bars = [
        Bar(figure="rate at the end, of that at the start", least=_KEPT),
        Bar(figure="possible at the end, of that before", least=_KEPT),
    ]
    return report


async def _drain(rig: Rig, report: Report) -> float:
    """Return how many tasks a second can be taken in and finished now."""
    rig.ledger.empty()
    async with course_of(rig.ledger) as course:
        load = await drive(rig.pool, rig.batches(rig.scale.held_drain, removal_delay=0), at_most=AT_MOST)
        await rig.ran(load.tasks)
    report.add(rig.count(load), load.refused)
    return course.rate_from(load.began)


@asynccontextmanager
async def _held(rig: Rig) -> AsyncIterator[None]:
    """Keep a snapshot, as a forgotten session or a long report does."""
    connection = await asyncpg.connect(rig.stack.database_url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetchval("SELECT count(*) FROM tasks")
            yield
    finally:
        await connection.close()
