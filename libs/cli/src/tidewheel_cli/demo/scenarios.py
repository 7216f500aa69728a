"""What the demo submits, and how each of it should end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Unpack
from uuid import UUID

from tidewheel_client import AsyncClient
from tidewheel_client.models import TaskSummary
from tidewheel_client.options import Priority, TaskOptions

BATCH = 1_000
FIRES = 3
FAILURES = 2
PRIORITIES: Final[tuple[Priority, ...]] = ("high", "medium", "low")
KEPT = 600.0
"""Seconds that the demo's tasks stay readable, but for the one that shows removal."""


@dataclass(slots=True, kw_only=True)
class Scenario:
    """One line of the demo: what it submits, what it waits for, and what has been seen of it."""

    title: str
    expects: str
    submit: Callable[[AsyncClient, str], Awaitable[int]]
    """Submits under a tag; returns how many tasks it expects to see."""
    is_met: Callable[["Scenario"], bool]
    tag: str = ""
    expected: int = 0
    seen: dict[UUID, TaskSummary] = field(default_factory=dict)
    """The last that was read of each task, by id."""
    listed: frozenset[UUID] = frozenset()
    """The ids that the service listed when it was asked last."""

    def states(self) -> dict[str, int]:
        """Count the tasks by state; one that is no longer listed counts as `removed`."""
        counts: dict[str, int] = {}
        for task_id, task in self.seen.items():
            state = task.state if task_id in self.listed else "removed"
            counts[state] = counts.get(state, 0) + 1
        return counts

    def observe(self, tasks: list[TaskSummary]) -> None:
        """Take in what the service listed."""
        self.seen.update((task.id, task) for task in tasks)
        self.listed = frozenset(task.id for task in tasks)


def all_scenarios() -> list[Scenario]:
    """Return the scenarios of the demo, in the order in which they are shown."""
    return [
        *(_immediate(priority) for priority in PRIORITIES),
        Scenario(title="due in 2 s", expects="complete, not early", submit=_due, is_met=_on_time),
        Scenario(title="every 2 s", expects=f"{FIRES} fires complete", submit=_recurring, is_met=_fired),
        Scenario(title="fails twice, then succeeds", expects="complete", submit=_flaky, is_met=_failed_twice),
        Scenario(title="always fails", expects="dead", submit=_failing, is_met=_dead),
        Scenario(title="kept for 3 s", expects="complete, removed", submit=_short_lived, is_met=_removed),
        Scenario(title=f"batch of {BATCH:,}", expects="complete", submit=_batch, is_met=_complete),
    ]


def _immediate(priority: Priority) -> Scenario:
    async def submit(client: AsyncClient, tag: str) -> int:
        return await _one(client, tag, "demo.echo", {"hello": priority}, priority=priority)

    return Scenario(title=f"now, {priority}", expects="complete", submit=submit, is_met=_complete)


async def _one(
    client: AsyncClient, tag: str, handler: str, payload: Mapping[str, Any], **options: Unpack[TaskOptions]
) -> int:
    options.setdefault("removal_delay", KEPT)
    options["tags"] = [tag]
    await client.submit(handler, payload, **options)
    return 1


async def _due(client: AsyncClient, tag: str) -> int:
    return await _one(client, tag, "demo.distance", {"x": 3, "y": 4}, delay=2)


async def _recurring(client: AsyncClient, tag: str) -> int:
    await client.schedules.create(tag, "demo.echo", {"tick": True}, every=2, tags=[tag], removal_delay=KEPT)
    return FIRES


async def _flaky(client: AsyncClient, tag: str) -> int:
    return await _one(client, tag, "demo.flaky", {"failures": FAILURES}, backoff={"initial": 0.5})


async def _failing(client: AsyncClient, tag: str) -> int:
    return await _one(client, tag, "demo.fail", {}, max_attempts=3, backoff={"initial": 0.5})


async def _short_lived(client: AsyncClient, tag: str) -> int:
    return await _one(client, tag, "demo.echo", {"soon": "gone"}, removal_delay=3)


async def _batch(client: AsyncClient, tag: str) -> int:
    results = await client.submit_batch(
        [
            {"handler": "demo.echo", "payload": {"number": number}, "tags": [tag], "removal_delay": KEPT}
            for number in range(BATCH)
        ]
    )
    return sum(result.id is not None for result in results)


def _all_are(scenario: Scenario, state: str) -> bool:
    return scenario.states() == {state: scenario.expected}


def _complete(scenario: Scenario) -> bool:
    return _all_are(scenario, "complete")


def _on_time(scenario: Scenario) -> bool:
    return _complete(scenario) and all(
        task.started_at is not None and task.started_at >= task.run_at for task in scenario.seen.values()
    )


def _fired(scenario: Scenario) -> bool:
    return scenario.states().get("complete", 0) >= scenario.expected


def _failed_twice(scenario: Scenario) -> bool:
    return _complete(scenario) and all(task.failures == FAILURES for task in scenario.seen.values())


def _dead(scenario: Scenario) -> bool:
    return _all_are(scenario, "dead")


def _removed(scenario: Scenario) -> bool:
    return _all_are(scenario, "removed") and all(task.state == "complete" for task in scenario.seen.values())
