"""Carries a schedule of faults out, one after the other, and measures how soon new work comes through again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Injected
from tests.chaos.faults import DidNotHappen
from tests.chaos.ledger import instant
from tests.chaos.probe import Probe
from tests.chaos.schedule import KINDS, Planned
from tests.support import wait_until

_WHOLE = 60.0  # seconds until every service must be ready after everything was healed


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
        self._say = say
        self.injected: list[Injected] = []

    async def torment(self, schedule: Sequence[Planned], *, until: float) -> int:
        """Inject one fault after the other until the schedule or the time (of the monotonic clock) is over."""
        for number, planned in enumerate(schedule):
            if time.monotonic() >= until:
                return number
            fault = await self._inject(planned)
            self.injected.append(fault)
            recovered = "-" if fault.recovered is None else f"{fault.recovered:.2f}"
            self._say(
                f"{number + 1:4} {fault.kind:20} {fault.target:22} {planned.lasts:5.1f} s, "
                f"recovered in {recovered:>6} s {fault.error}"
            )
            await pause(planned.pause)
        return len(schedule)

    async def heal_all(self) -> None:
        """Make every link good and every process run, and wait until all are ready."""
        for link in self._cluster.links.values():
            await link.heal()
        await wait_until(self._cluster.is_whole, timeout=_WHOLE, what="every service to be ready")

    async def _inject(self, planned: Planned) -> Injected:
        began = instant()
        healed = began
        recovered: float | None = None
        error = ""
        try:
            async with KINDS[planned.kind](self._cluster, planned.target):
                # A process that was killed is healed by its supervisor: its recovery counts from the signal.
                healed = began if planned.lasts == 0 else began + planned.lasts
                await pause(planned.lasts)
            recovered = await self._probe.until_through() - healed
        except (DidNotHappen, AssertionError) as reason:
            error = str(reason)
        return Injected(
            kind=planned.kind, target=planned.target, began=began, healed=healed, recovered=recovered, error=error
        )


async def pause(seconds: float) -> None:
    """Let time pass: how long a fault lasts is what is tested."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)
