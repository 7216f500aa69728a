"""A steady load for a minute: single submissions, evenly spaced, sent at their time whatever happens (open loop)."""

from tests.bench.offer import Offered, evenly, offer
from tests.bench.report import Bar, Figure, Report, quantile
from tests.bench.rig import Rig, Times


async def measure(rig: Rig) -> Report:
    rate, seconds, edge = rig.scale.sustained_rate, rig.scale.sustained_seconds, rig.scale.edge_seconds
    await rig.empty()
    began = await rig.meter.read()
    load = await offer(rig.pool, evenly(rig.singles(rate * seconds), rate=rate))
    await rig.ran(load.tasks)
    cost = await rig.meter.cost(began, max(load.tasks, 1))
    times = await rig.times()
    pickups = [each.pickup for each in times]
    count = rig.count(load)
    whole = _from_due(load, times, await rig.clock())
    figures = {
        "pickup p50": quantile(pickups, 0.5),
        "pickup p99": quantile(pickups, 0.99),
        "pickup max": max(pickups),
        f"pickup p99, first {edge} s": quantile(pickups[: rate * edge], 0.99),
        f"pickup p99, last {edge} s": quantile(pickups[-rate * edge :], 0.99),
        "accept p50": quantile(load.latencies, 0.5),
        "accept p99": quantile(load.latencies, 0.99),
        "due at the client to started, p50": quantile(whole, 0.5),
        "due at the client to started, p99": quantile(whole, 0.99),
    }
    return Report(
        figures=[Figure(name, "ms", [value]) for name, value in figures.items()]
        + [Figure("lost", "tasks", [rate * seconds - count.tasks + count.lost])],
        bars=[
            Bar(figure="pickup p50", most=5),
            Bar(figure="pickup p99", most=50),
            Bar(figure="lost", most=0),
        ],
        cost=cost,
        count=count,
        refused=load.refused,
    )


def _from_due(load: Offered, times: list[Times], clock: float) -> list[float]:
    """Return milliseconds from when a request was due to the start of its task: what a slow service cannot hide."""
    dues = load.dues
    return [1000 * (each.started - clock - dues[each.id]) for each in times if each.id in dues]
