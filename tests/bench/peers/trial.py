"""One trial of one system: warm up, then end to end, then a drain."""

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.peers.cast import Cast, on_stage
from tests.bench.peers.peer import Peer
from tests.bench.peers.processes import cpu_of_descendants, hold, let_go
from tests.bench.peers.tally import count, entries, recorders

from tidewheel_cli.errors import CannotStart

WARM_UP = 500
_WARM_UPS = 40
_POLL = 0.002  # seconds
_PATIENCE = 30.0  # seconds without any progress after which the rest counts as lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one trial measured.

    Attributes:
        tasks: how many were offered in each of the two phases.
        enqueue_seconds: from the first call to the return of the last, while workers run.
        end_to_end_per_s: tasks by the time from the first call to the last durable end; workers were running.
        drain_per_s: tasks by the time from the release of held workers to the last durable end.
        cpu_seconds_per_1000: of everything (servers, producer, workers) in the end-to-end phase.
        lost: tasks whose handler never ran, in both phases.
        repeated: runs of a handler beyond the first, in both phases.
    """

    tasks: int
    enqueue_seconds: float
    end_to_end_per_s: float
    drain_per_s: float
    cpu_seconds_per_1000: float
    lost: int
    repeated: int


class Failed(Exception):
    """A trial that came to no end; the message says why."""


async def try_out_within(seconds: float, peer: Peer, python: Path, offered: int) -> dict[str, float]:
    """Measure a peer once, as `try_out` does.

    Raises:
        Failed: something did not start, ended, or was not done in time.
    """
    try:
        async with asyncio.timeout(seconds):
            return await try_out(peer, python, offered)
    except (CannotStart, RuntimeError, TimeoutError) as error:
        raise Failed(str(error) or f"not done within {seconds:g} s") from error


async def try_out(peer: Peer, python: Path, offered: int) -> dict[str, float]:
    """Measure a peer once on fresh servers; return its figures by name.

    Args:
        peer: what is measured, with the settings that it has.
        python: the interpreter of its environment.
        offered: tasks in each of the two phases.

    Raises:
        CannotStart: something did not start.
        RuntimeError: the producer ended, or the workers did not come up.
    """
    async with on_stage(peer, python) as cast:
        begin = await _warm_up(cast, await cast.producer.recorders())
        through, drained = range(begin, begin + offered), range(begin + offered, begin + 2 * offered)

        cpu, began = cpu_of_descendants(), time.monotonic_ns()
        enqueueing = await cast.producer.enqueue(through)
        ended = await _settled(cast, drained.start)
        cpu = cpu_of_descendants() - cpu

        drain = await _drain(cast, drained)
        tallies = (count(cast.records, through), count(cast.records, drained))
    return asdict(
        Figures(
            tasks=offered,
            enqueue_seconds=enqueueing,
            end_to_end_per_s=offered / ((ended - began) / 1e9),
            drain_per_s=offered / drain,
            cpu_seconds_per_1000=1000 * cpu / offered,
            lost=sum(tally.lost for tally in tallies),
            repeated=sum(tally.repeated for tally in tallies),
        )
    )


async def _warm_up(cast: Cast, processes: int) -> int:
    """Run tasks until every process has run one, so that no start of a process is measured; return the next number."""
    for turn in range(_WARM_UPS):
        numbers = range(turn * WARM_UP, (turn + 1) * WARM_UP)
        await cast.producer.enqueue(numbers)
        await _settled(cast, numbers.stop)
        if recorders(cast.records) >= processes:
            return numbers.stop
    raise RuntimeError(f"Only {recorders(cast.records)} of {processes} processes have run a handler.")


async def _drain(cast: Cast, numbers: range) -> float:
    """Hold the workers, enqueue, let the workers go; return the seconds from there to the last end."""
    held = cast.working()
    hold(held)
    try:
        await cast.producer.enqueue(numbers)
    finally:
        released = time.monotonic_ns()
        let_go(held)
    return (await _settled(cast, numbers.stop) - released) / 1e9


async def _settled(cast: Cast, runs: int) -> int:
    """Wait until so many handlers have run and nothing is left open; return the nanosecond of that."""
    progress = asyncio.get_running_loop().time()
    before = (-1, -1)
    while True:
        ran = entries(cast.records)
        left, at = await cast.producer.unfinished() if ran >= runs or _is_stuck(progress, 1.0) else (-1, 0)
        if left == 0:
            return at
        if (ran, left) != before:
            before, progress = (ran, left), asyncio.get_running_loop().time()
        elif _is_stuck(progress, _PATIENCE):
            raise RuntimeError(f"{left} tasks have not ended, and nothing has happened for {_PATIENCE:g} s.")
        await asyncio.sleep(_POLL)


def _is_stuck(since: float, seconds: float) -> bool:
    return asyncio.get_running_loop().time() - since > seconds
