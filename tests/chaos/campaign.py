"""Runs a campaign: load, faults drawn from a seed, healing, and the checkers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import aftermath
from tests.chaos.clients import Submitter, Tally
from tests.chaos.cluster import Cluster, Shape
from tests.chaos.evidence import Evidence, gather
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis, pause
from tests.chaos.probe import Probe
from tests.chaos.schedule import CLOCKS, DISK, Planned
from tests.chaos.starting import running_cluster

_QUIET = 180.0
"""Seconds that the work may take to end after the last healing."""

_WARM = 10.0
"""Seconds of load before the base is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign does.

    Attributes:
        seconds: until the last fault.
        rate: tasks a second, of all clients together.
        tasks: stop submitting after so many; None submits until the last fault.
        least: accepted tasks without which the campaign proves nothing.
        complete: whether the whole schedule must have happened.
    """

    seed: int
    schedule: Sequence[Planned]
    seconds: float
    rate: float
    tasks: int | None = None
    least: int = 0
    complete: bool = True
    shape: Shape = field(default_factory=Shape)


async def run_campaign(directory: Path, plan: Plan, say: Callable[[str], None]) -> Evidence:
    """Carry a plan out and return what it has left behind."""
    evidence = Evidence(least=plan.least, quiet_bound=_QUIET)
    async with running_cluster(directory, plan.shape) as cluster:
        schedule = possible(plan.schedule, _missing(cluster), say)
        histories, done, base = await _load_and_torment(cluster, plan, schedule, evidence, say)
        if plan.complete:
            evidence.planned = [(planned.kind, planned.target) for planned in schedule[:done]]
        evidence.quiet = await aftermath.quiet_down(cluster, bound=_QUIET)
        evidence.leftovers = await aftermath.settled_leftovers(cluster, base)
        await gather(evidence, database_url=cluster.database_url, ledger=cluster.ledger, histories=histories)
        evidence.answers = await aftermath.look_over_the_wall(cluster, evidence.tenants)
        evidence.places = await aftermath.look_for_plaintext(cluster)
        aftermath.read_logs(evidence, cluster)
    return evidence


def possible(schedule: Sequence[Planned], missing: Mapping[str, str], say: Callable[[str], None]) -> list[Planned]:
    """Leave out the kinds of faults for which this machine misses something, and say what."""
    kinds = {planned.kind for planned in schedule}
    for kind, reason in missing.items():
        if reason and kind in kinds:
            say(f"without {kind}: {reason}")
    return [planned for planned in schedule if not missing.get(planned.kind)]


def _missing(cluster: Cluster) -> Mapping[str, str]:
    return dict.fromkeys(CLOCKS, cluster.clocks.missing) | dict.fromkeys(DISK, cluster.disk.missing)


async def _load_and_torment(
    cluster: Cluster, plan: Plan, schedule: Sequence[Planned], evidence: Evidence, say: Callable[[str], None]
) -> tuple[list[Path], int, aftermath.Base]:
    tally = Tally()
    stop = asyncio.Event()
    paths = [cluster.directory / f"history-{name}" for name in cluster.api_keys]
    until = time.monotonic() + plan.seconds
    async with _clients(cluster, plan, tally) as clients:
        load = [asyncio.create_task(client.submit_until(stop, at_most=plan.tasks)) for client in clients]
        probe = Probe(cluster.api_url, cluster.api_keys["alpha"], "alpha")
        nemesis = Nemesis(cluster, probe, say)
        evidence.faults = nemesis.injected
        try:
            await pause(min(_WARM, plan.seconds / 60))
            base = aftermath.measure_base(cluster)
            done = await nemesis.torment(schedule, until=until)
            if not schedule:
                await pause(until - time.monotonic())
            if plan.tasks is None:
                stop.set()
            await nemesis.heal_all()
            await asyncio.gather(*load)
        finally:
            stop.set()
            await probe.close()
        say(f"submitted {tally.submitted}, accepted {tally.accepted}, answers {tally.statuses}")
    return paths, done, base


@asynccontextmanager
async def _clients(cluster: Cluster, plan: Plan, tally: Tally) -> AsyncIterator[list[Submitter]]:
    clients = [
        Submitter(
            name=name,
            url=cluster.api_url,
            tenant=name,
            api_key=key,
            history=History(cluster.directory / f"history-{name}"),
            rate=plan.rate / len(cluster.api_keys),
            seed=plan.seed,
            tally=tally,
        )
        for name, key in cluster.api_keys.items()
    ]
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()
