"""Runs a campaign: load, faults drawn from a seed, healing, and the checkers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
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

LEG = 1800.0
"""Seconds after which a campaign rests at the latest: without load and faults everything comes back to its base, or it
has leaked. A campaign of hours does so time and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign does.

    Attributes:
        seconds: until the last fault.
        rate: tasks a second, of all clients together.
        tasks: stop submitting after so many; None submits until the last fault.
        least: accepted tasks without which the campaign proves nothing.
        complete: whether the whole schedule must have happened.
        leg: seconds after which it rests, and what is left over is measured.
    """

    seed: int
    schedule: Sequence[Planned]
    seconds: float
    rate: float
    tasks: int | None = None
    least: int = 0
    complete: bool = True
    leg: float = LEG
    shape: Shape = field(default_factory=Shape)


async def run_campaign(directory: Path, plan: Plan, say: Callable[[str], None]) -> Evidence:
    """Carry a plan out and return what it has left behind."""
    evidence = Evidence(least=plan.least, quiet_bound=_QUIET)
    async with running_cluster(directory, plan.shape) as cluster:
        schedule = possible(plan.schedule, _missing(cluster), say)
        done = await _run_legs(cluster, plan, schedule, evidence, say)
        if plan.complete:
            evidence.planned = [(planned.kind, planned.target) for planned in schedule[:done]]
        histories = [cluster.directory / f"history-{name}" for name in cluster.api_keys]
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


def legs(seconds: float, most: float = LEG) -> list[float]:
    """Divide a campaign into legs of the same length, none longer than `most`."""
    count = max(1, ceil(seconds / most))
    return [seconds / count] * count


async def _run_legs(
    cluster: Cluster, plan: Plan, schedule: Sequence[Planned], evidence: Evidence, say: Callable[[str], None]
) -> int:
    """Carry out one leg after the other, each with its own rest; return how much of the schedule has happened."""
    tally = Tally()
    done = 0
    base: aftermath.Base | None = None
    lengths = legs(plan.seconds, plan.leg)
    async with _clients(cluster, plan, tally) as clients:
        probe = Probe(cluster.api_url, cluster.api_keys["alpha"], "alpha")
        nemesis = Nemesis(cluster, probe, say)
        evidence.faults = nemesis.injected
        try:
            for number, seconds in enumerate(lengths, 1):
                leg = _Leg(clients, nemesis, schedule[done:], plan.tasks, time.monotonic() + seconds)
                base, happened = await leg.run(cluster, base, warm=min(_WARM, seconds / 60))
                done += happened
                quiet = await aftermath.quiet_down(cluster, bound=_QUIET)
                left = await aftermath.settled_leftovers(cluster, base)
                evidence.quiet = None if quiet is None or evidence.quiet is None else max(quiet, evidence.quiet)
                evidence.leftovers = [*evidence.leftovers, *_labelled(left, number, len(lengths))]
                say(f"submitted {tally.submitted}, accepted {tally.accepted}, answers {tally.statuses}")
                if quiet is None:
                    break
        finally:
            await probe.close()
    return done


def _labelled(leftovers: Sequence[tuple[str, float, float]], number: int, count: int) -> list[tuple[str, float, float]]:
    return [
        (what if number == count else f"{what} after leg {number} of {count}", now, allowed)
        for what, now, allowed in leftovers
    ]


@dataclass(frozen=True, slots=True)
class _Leg:
    """Load, and faults, for some time; then no load any more, and everything healed."""

    clients: Sequence[Submitter]
    nemesis: Nemesis
    schedule: Sequence[Planned]
    tasks: int | None
    until: float

    async def run(self, cluster: Cluster, base: aftermath.Base | None, *, warm: float) -> tuple[aftermath.Base, int]:
        """Return the base, measured after a while of load where there is none yet, and how many faults there were."""
        stop = asyncio.Event()
        load = [asyncio.create_task(client.submit_until(stop, at_most=self.tasks)) for client in self.clients]
        try:
            await pause(warm)
            base = base or aftermath.measure_base(cluster)
            done = await self.nemesis.torment(self.schedule, until=self.until)
            if not self.schedule:
                await pause(self.until - time.monotonic())
            if self.tasks is None:
                stop.set()
            await self.nemesis.heal_all()
            await asyncio.gather(*load)
        finally:
            stop.set()
        return base, done


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
