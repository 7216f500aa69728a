"""Clients that want ten times what the stack does: it says no in time, keeps its size, and loses nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from tests.chaos import aftermath
from tests.chaos.cluster import Cluster, Shape
from tests.chaos.ledger import instant, read_runs
from tests.chaos.starting import running_cluster
from tests.chaos.wire import Answer, ask, request
from tests.support import wait_until

from tidewheel_cli.embedded.ports import LOOPBACK

_TIMES = 10
_SECONDS = 30.0
_CALIBRATION = 5.0  # seconds
_PATIENCE = 10.0  # seconds that a client waits for an answer
_SHARE = 0.02
"""How much of the tasks comes singly, the rest in batches: a thousand requests a second are much already."""
_BATCH = 500
_TICK = 0.05  # seconds
_MOST_MEMORY = 600.0
"""MiB that one process may come to hold."""
_DRAIN = 900.0  # seconds


@dataclass(slots=True)
class Told:
    """What clients were told."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    without_advice: int = 0

    def note(self, answer: Answer) -> None:
        """Count an answer."""
        self.statuses[answer.status] += 1
        if answer.status == 201:
            self.accepted += [each["id"] for each in answer.content.get("results", [answer.content]) if "id" in each]
        elif answer.status == 0:
            self.unanswered[answer.content] += 1
        elif answer.status in {429, 503} and not answer.retry_after:
            self.without_advice += 1


async def ten_times_too_much(directory: Path, say: Callable[[str], None], *, seconds: float = _SECONDS) -> list[str]:
    """Find out what the stack does, and then offer ten times as much, whatever it answers."""
    async with running_cluster(directory, Shape()) as cluster:
        rate = await _capacity(cluster)
        say(f"the stack ends {rate:.0f} tasks a second; {_TIMES * rate:.0f} are offered for {seconds:g} s")
        told, sizes = await _flood(cluster, _TIMES * rate, seconds)
        say(f"answers {dict(told.statuses)}, accepted {len(told.accepted)} tasks")
        say(f"without an answer within {_PATIENCE:g} s: {dict(told.unanswered)}")
        say("largest, in MiB: " + ", ".join(f"{name} {most:.0f}" for name, most in sizes.items()))
        began = instant()
        await wait_until(lambda: _all_ended(cluster), timeout=_DRAIN, what="the end of all work")
        say(f"all work had ended {instant() - began:.1f} s after the last request")
        return [*_judge(told, sizes), *await _losses(cluster, told)]


async def _capacity(cluster: Cluster) -> float:
    """Return how many tasks a second are ended when there is always something to do."""
    told, until = Told(), instant() + _CALIBRATION
    asked = _batch(cluster)

    async def submit() -> None:
        while instant() < until:
            told.note(await ask(_gateway(cluster), asked, patience=_PATIENCE))

    began = instant()
    await asyncio.gather(submit(), submit())
    await wait_until(lambda: _all_ended(cluster), timeout=_DRAIN, what="the end of the first work")
    return len(told.accepted) / (instant() - began)


async def _flood(cluster: Cluster, rate: float, seconds: float) -> tuple[Told, dict[str, float]]:
    """Send requests at a steady rate, each on a connection of its own, however many are open already."""
    told, open_requests = Told(), set[asyncio.Task[None]]()
    single, batch = _single(cluster), _batch(cluster)
    sizes: dict[str, float] = {}
    began = instant()
    singles = batches = 0
    while (passed := instant() - began) < seconds:
        for asked in _due(single, passed * rate * _SHARE - singles):
            singles += 1
            _start(_submit(cluster, asked, told), open_requests)
        for asked in _due(batch, (passed * rate * (1 - _SHARE) - batches * _BATCH) / _BATCH):
            batches += 1
            _start(_submit(cluster, asked, told), open_requests)
        _measure(cluster, sizes)
        await asyncio.sleep(_TICK)
    await asyncio.gather(*open_requests)
    _measure(cluster, sizes)
    return told, sizes


def _due(asked: bytes, count: float) -> Iterator[bytes]:
    for _ in range(int(count)):
        yield asked


def _start(work: Awaitable[None], open_requests: set[asyncio.Task[None]]) -> None:
    task = asyncio.ensure_future(work)
    open_requests.add(task)
    task.add_done_callback(open_requests.discard)


async def _submit(cluster: Cluster, asked: bytes, told: Told) -> None:
    told.note(await ask(_gateway(cluster), asked, patience=_PATIENCE))


def _gateway(cluster: Cluster) -> str:
    """Return where the gateway itself listens: the rig's proxy would be the first to be overloaded."""
    return f"http://{LOOPBACK}:{cluster.ready_ports['gateway']}"


def _task() -> dict[str, object]:
    return {"handler": "chaos.touch", "payload": {"who": "alpha"}}


def _single(cluster: Cluster) -> bytes:
    return request(_gateway(cluster), "/v1/tasks", cluster.api_keys["alpha"], _task())


def _batch(cluster: Cluster) -> bytes:
    body = {"tasks": [_task() for _ in range(_BATCH)]}
    return request(_gateway(cluster), "/v1/tasks:batch", cluster.api_keys["alpha"], body)


def _measure(cluster: Cluster, sizes: dict[str, float]) -> None:
    for name, (memory, _) in aftermath.measure_base(cluster).items():
        sizes[name] = max(sizes.get(name, 0.0), memory)


async def _all_ended(cluster: Cluster) -> bool:
    return await aftermath.all_final(cluster.database_url)


def _judge(told: Told, sizes: dict[str, float]) -> list[str]:
    found = [f"{name} came to hold {most:.0f} MiB" for name, most in sizes.items() if most > _MOST_MEMORY]
    refused = told.statuses[429] + told.statuses[503]
    if not refused:
        found.append("nothing was refused: this was no overload")
    if told.without_advice:
        found.append(f"{told.without_advice} of {refused} refusals had no Retry-After")
    odd = {status: n for status, n in told.statuses.items() if status not in {0, 201, 429, 503}}
    return [*found, *(f"{n} answers were {status}" for status, n in odd.items())]


async def _losses(cluster: Cluster, told: Told) -> list[str]:
    runs = Counter(run.task for run in read_runs(cluster.ledger.read_text(encoding="utf-8").splitlines()))
    connection = await asyncpg.connect(cluster.database_url)
    try:
        complete = {str(row["id"]) for row in await connection.fetch("SELECT id FROM tasks WHERE state = 'complete'")}
    finally:
        await connection.close()
    lost = sum(1 for task in told.accepted if task not in complete)
    twice = sum(1 for starts in runs.values() if starts > 1)
    found = [f"{lost} of {len(told.accepted)} accepted tasks are not complete"] if lost else []
    found += [f"{twice} tasks ran twice, and nothing was harmed"] if twice else []
    return [*found, *(f"a process ended: {death}" for death in cluster.deaths)]
