"""Runs the demo against a stack and shows it as it goes."""

import asyncio
from contextlib import suppress
from uuid import uuid4

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tidewheel_cli.demo.scenarios import Scenario, all_scenarios
from tidewheel_client import ApiError, AsyncClient, ClientError, Unreachable

DEADLINE = 120.0
"""Seconds in which every scenario must have ended as it should; a healthy stack needs about 10."""

LOOK_EVERY = 0.4


async def run_demo(client: AsyncClient, console: Console) -> bool:
    """Submit every scenario, watch until each has ended as it should, and tell whether all did."""
    scenarios = all_scenarios()
    run = uuid4().hex[:8]
    for number, scenario in enumerate(scenarios):
        scenario.tag = f"demo-{run}-{number}"
        scenario.expected = await scenario.submit(client, scenario.tag)
    with Live(console=console, get_renderable=lambda: _render(scenarios), refresh_per_second=4), suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE):
            await _watch(client, scenarios)
    await _delete_schedules(client, scenarios)
    return all(scenario.is_met(scenario) for scenario in scenarios)


async def _watch(client: AsyncClient, scenarios: list[Scenario]) -> None:
    while not all(scenario.is_met(scenario) for scenario in scenarios):
        for scenario in scenarios:
            if not scenario.is_met(scenario):
                # A service that is being restarted is part of the show.
                with suppress(Unreachable, ApiError):
                    scenario.observe([task async for task in client.tasks.list(tag=scenario.tag, limit=200)])
        await asyncio.sleep(LOOK_EVERY)


async def _delete_schedules(client: AsyncClient, scenarios: list[Scenario]) -> None:
    names = {scenario.tag for scenario in scenarios}
    with suppress(ClientError):
        async for schedule in client.schedules.list():
            if schedule.name in names:
                await client.schedules.delete(schedule)


def _render(scenarios: list[Scenario]) -> Group:
    table = Table(box=None, pad_edge=False)
    for column in ("task", "should end", "is", ""):
        table.add_column(column)
    for scenario in scenarios:
        states = " · ".join(f"{state} {count:,}" for state, count in sorted(scenario.states().items()))
        table.add_row(scenario.title, scenario.expects, states or "submitted", _mark(scenario.is_met(scenario)))
    return Group(table)


def _mark(met: bool) -> Text:
    return Text("✔", style="green") if met else Text("…", style="yellow")
