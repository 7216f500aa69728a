"""Carries a schedule of faults out, one after the other, and measures how soon new work comes through again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby

import asyncpg
from redis.exceptions import RedisError
from tests.chaos.backlog import Backlog
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Injected
from tests.chaos.faults import DidNotHappen
from tests.chaos.ledger import instant
from tests.chaos.probe import Probe
from tests.chaos.schedule import KINDS, Planned
from tests.support import wait_until

_WHOLE = 60.0  # seconds until every service must be ready after everything was healed

_FAILED = (DidNotHappen, AssertionError, OSError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a fault meets that finds nothing to break, or its target broken already; or nothing came through again."""


class Nemesis:
    """Breaks a cluster as planned.

    Args:
        cluster: what is broken.
        probe: asks for a new task after each healing.
        say: receives a line for people at each fault.
    """

    def __init__(self, cluster: Cluster, probe: Probe, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._probe = probe
        self._backlog = Backlog(cluster.database_url)
        self._say = say
        self._done = 0
        self.injected: list[Injected] = []

    async def torment(self, schedule: Sequence[Planned], *, until: float) -> int:
        """Inject what is planned until the schedule or the time (of the monotonic clock) is over; return how much."""
        before = self._done
        for storm, group in groupby(schedule, key=lambda planned: planned.storm or object()):
            if time.monotonic() >= until:
                break
            together = list(group)
            if isinstance(storm, int):
                await self._storm(storm, together)
            else:
                await self._alone(self._done + 1, together[0])
            self._done += len(together)
        return self._done - before

    async def _alone(self, number: int, planned: Planned) -> None:
        fault = await self._inject(planned, measured=True)
        self.injected.append(fault)
        self._say(
            f"{number:4} {_describe(planned)}, recovered in {_seconds(fault.recovered)}, "
            f"usual after {_seconds(fault.settled)} {fault.error}"
        )
        await pause(planned.pause)

    async def _storm(self, number: int, together: Sequence[Planned]) -> None:
        begun = []
        for planned in together:
            begun.append(asyncio.create_task(self._inject(planned, measured=False)))
            await pause(planned.pause)
        faults = await asyncio.gather(*begun)
        self.injected += faults
        over = instant()
        for planned, fault in zip(together, faults, strict=True):
            self._say(f"     {_describe(planned)}, in storm {number} {fault.error}")
        try:
            recovered: float | None = await self._probe.until_through() - over
            error = ""
        except AssertionError as reason:
            recovered, error = None, str(reason)
        self.injected.append(
            Injected(kind="storm", target="all", began=faults[0].began, healed=over, recovered=recovered, error=error)
        )
        self._say(f"     storm {number} of {len(together)} over, recovered in {_seconds(recovered)} {error}")

    async def heal_all(self) -> None:
        """Make every link good and every process run, and wait until all are ready."""
        for link in self._cluster.links.values():
            await link.heal()
        await wait_until(self._cluster.is_whole, timeout=_WHOLE, what="every service to be ready")

    async def _inject(self, planned: Planned, *, measured: bool) -> Injected:
        began = instant()
        healed = began
        recovered: float | None = None
        settled: float | None = None
        error = ""
        try:
            async with KINDS[planned.kind](self._cluster, planned.target):
                await pause(planned.lasts)
                healed = instant()  # what is over at once is healed by whoever started the process again
            if measured:
                recovered = await self._probe.until_through() - healed
                settled = await self._backlog.until_usual(healed) - healed
        except _FAILED as reason:
            error = f"{type(reason).__name__}: {reason}"
        return Injected(
            kind=planned.kind,
            target=planned.target,
            began=began,
            healed=healed,
            recovered=recovered,
            settled=settled,
            error=error,
        )


async def pause(seconds: float) -> None:
    """Let time pass: how long a fault lasts is what is tested."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


def _describe(planned: Planned) -> str:
    return f"{planned.kind:20} {planned.target:22} {planned.lasts:5.1f} s"


def _seconds(measured: float | None) -> str:
    return "     -" if measured is None else f"{measured:6.2f} s"
