"""Situations that a random campaign does not come to, each on a cluster of its own, with what must hold in them."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.chaos.emptied import hundred_thousand_queued
from tests.chaos.overload import ten_times_too_much

Say = Callable[[str], None]
Scenario = Callable[[Path, Say], Awaitable[list[str]]]
"""Returns sentences about what did not hold."""

SCENARIOS: Mapping[str, Scenario] = {
    "emptied": hundred_thousand_queued,
    "overload": ten_times_too_much,
}


async def run_scenario(name: str, directory: Path, say: Say) -> int:
    """Run one scenario; return 1 when something did not hold."""
    found = await SCENARIOS[name](directory, say)
    for sentence in found:
        say(f"FAIL {sentence}")
    if not found:
        say(f"ok   {name}")
    return 1 if found else 0
