"""Runs a campaign: load, faults drawn from a seed, healing, and the checkers.

`python -m tests.chaos.campaign --seed 7 --minutes 12`; the exit code is 1 when a checker complains.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import aftermath
from tests.chaos.clients import Submitter, Tally
from tests.chaos.cluster import Cluster, Shape, running_cluster
from tests.chaos.evidence import Evidence, gather
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis, pause
from tests.chaos.probe import Probe
from tests.chaos.schedule import Planned, draw_schedule
from tests.chaos.verdict import judge, lines

_MOST_ROUNDS = 50
_QUIET = 180.0  # seconds that the work may take to end after the last healing


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
        histories, done = await _load_and_torment(cluster, plan, evidence, say)
        if plan.complete:
            evidence.planned = [(planned.kind, planned.target) for planned in plan.schedule[:done]]
        evidence.quiet = await aftermath.quiet_down(cluster, bound=_QUIET)
        evidence.leftovers = await aftermath.settled_leftovers(cluster)
        await gather(evidence, database_url=cluster.database_url, ledger=cluster.ledger, histories=histories)
        evidence.answers = await aftermath.look_over_the_wall(cluster, evidence.tenants)
        evidence.places = await aftermath.look_for_plaintext(cluster)
        aftermath.read_logs(evidence, cluster)
    return evidence


async def _load_and_torment(
    cluster: Cluster, plan: Plan, evidence: Evidence, say: Callable[[str], None]
) -> tuple[list[Path], int]:
    tally = Tally()
    stop = asyncio.Event()
    paths = [cluster.directory / f"history-{name}" for name in cluster.api_keys]
    nemesis_time = time.monotonic() + plan.seconds
    async with _clients(cluster, plan, tally) as clients:
        load = [asyncio.create_task(client.submit_until(stop, at_most=plan.tasks)) for client in clients]
        probe = Probe(cluster.api_url, cluster.api_keys["alpha"], "alpha")
        nemesis = Nemesis(cluster, probe, say)
        evidence.faults = nemesis.injected
        try:
            done = await nemesis.torment(plan.schedule, until=nemesis_time)
            if not plan.schedule:
                await pause(plan.seconds)
            if plan.tasks is None:
                stop.set()
            await nemesis.heal_all()
            await asyncio.gather(*load)
        finally:
            stop.set()
            await probe.close()
        say(f"submitted {tally.submitted}, accepted {tally.accepted}, answers {tally.statuses}")
    return paths, done


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


def main() -> int:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same schedule")
    parser.add_argument("--minutes", type=float, default=12.0, help="until the last fault")
    parser.add_argument("--rate", type=float, default=150.0, help="tasks a second")
    parser.add_argument("--kinds", default="", help="only these kinds of faults, comma-separated; 'none' for no fault")
    parser.add_argument("--keep", type=Path, default=None, help="a new directory that keeps everything")
    chosen = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    shape = Shape()
    plan = Plan(
        seed=seed,
        schedule=draw_schedule(
            seed, shape.services, rounds=_MOST_ROUNDS, kinds=[k for k in chosen.kinds.split(",") if k]
        ),
        seconds=chosen.minutes * 60,
        rate=chosen.rate,
        least=int(chosen.minutes * 60 * chosen.rate / 4),
        shape=shape,
    )
    _say(f"seed {seed}: {chosen.minutes:g} minutes, {chosen.rate:g} tasks a second")
    directory = chosen.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    evidence = asyncio.run(run_campaign(directory, plan, _say))
    verdicts = judge(evidence)
    for line in lines(evidence, verdicts):
        _say(line)
    failed = any(verdicts.values())
    if failed or chosen.keep:
        _say(f"The seed was {seed}. Everything is in {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
