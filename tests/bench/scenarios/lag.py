"""How late due tasks start while many others wait: the waiting ones come by COPY, the due ones by HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from tests.bench.offer import drive
from tests.bench.report import Bar, Figure, Report, quantile
from tests.bench.rig import BATCH, Rig

_P99 = 50
_TEN_MILLION = 10_000_000
_YEAR = 364.0  # days over which the waiting rows are spread, from tomorrow on
_CHUNK = 10_000

_COLUMNS = (
    *("id", "tenant_id", "handler", "queue", "priority", "state", "payload"),
    *("max_attempts", "removal_delay", "delivery", "run_at", "wait_until"),
)


async def measure(rig: Rig) -> Report:
    report = Report()
    await rig.empty()
    present = 0
    for rows in rig.scale.waiting_rows:
        await _wait_for_the_future(rig, present, rows)
        present = rows
        lags = await _lags(rig, report)
        for what, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            report.figures.append(Figure(f"{rows:,} waiting, {what}", "ms", [quantile(lags, part)]))
        report.bars.append(Bar(figure=f"{rows:,} waiting, p99", most=_limit(report, rows)))
    await rig.empty()
    return report


def _limit(report: Report, rows: int) -> float:
    """Ten million may take twice what one million took."""
    return 2 * report.value("1,000,000 waiting, p99") if rows == _TEN_MILLION else _P99


async def _lags(rig: Rig, report: Report) -> list[float]:
    """Submit tasks that become due one after the other; return how many milliseconds after it each started."""
    rig.ledger.empty()
    await rig.database.execute("DELETE FROM tasks WHERE remove_at IS NOT NULL")
    rate, count = rig.scale.due_rate, rig.scale.due_rate * rig.scale.due_seconds
    first = await rig.database.fetchval("SELECT clock_timestamp()") + timedelta(seconds=rig.scale.due_after)
    tasks = [
        {"handler": "bench.noop", "run_at": (first + timedelta(seconds=place / rate)).isoformat()}
        for place in range(count)
    ]
    batches = [tasks[start : start + BATCH] for start in range(0, count, BATCH)]
    requests = [rig.pool.encode("/v1/tasks:batch", {"tasks": batch}) for batch in batches]
    load = await drive(rig.pool, requests)
    await rig.ran(load.tasks)
    report.add(rig.count(load), load.refused)
    return [each.pickup for each in await rig.times()]


async def _wait_for_the_future(rig: Rig, first: int, last: int) -> None:
    """Put rows into the table that wait for other days, and let PostgreSQL know what it has."""
    if last == first:
        return
    tenant = await rig.database.fetchval("SELECT id::text FROM tenants LIMIT 1")
    now = await rig.database.fetchval("SELECT clock_timestamp()")
    await rig.database.copy_to_table("tasks", source=_lines(tenant, now, first, last), columns=_COLUMNS)
    await rig.database.execute("VACUUM (ANALYZE) tasks")
    await rig.database.execute("CHECKPOINT")


async def _lines(tenant: str, now: datetime, first: int, last: int) -> AsyncIterator[bytes]:
    for start in range(first, last, _CHUNK):
        yield b"".join(_line(tenant, now, place, last) for place in range(start, min(start + _CHUNK, last)))


def _line(tenant: str, now: datetime, place: int, of: int) -> bytes:
    due = now + timedelta(days=1 + _YEAR * place / of)
    task_id = f"01900000-0000-7000-8000-{place:012x}"
    sealed = "\\\\x" + 60 * "00"  # never opened; as long as a sealed `{}` is
    values = (task_id, tenant, "bench.noop", "default", 1, "waiting", sealed, 5, 86_400, "at_least_once", due, due)
    return ("\t".join(map(str, values)) + "\n").encode()
