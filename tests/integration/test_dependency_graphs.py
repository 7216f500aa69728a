"""Random graphs of tasks with random policies and outcomes, against what the rules say of them in plain words."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from tests.family import COMPLETE, DEAD, Family, opened_family

POLICIES = ("cancel", "run", "block")


@pytest.fixture
async def family(database_url: str, redis_url: str) -> AsyncIterator[Family]:
    async with opened_family(database_url, redis_url) as family:
        yield family


def foretell(parents: list[list[int]], policies: list[str], dies: list[bool]) -> list[str]:
    """Say where every task of a graph ends up; each one's parents come before it."""
    ends: list[str] = []
    for place, above in enumerate(parents):
        failed = [parent for parent in above if ends[parent] in {"dead", "cancelled"}]
        # A parent that stays blocked never ends.
        stuck = [parent for parent in above if ends[parent] == "blocked"]
        if failed and policies[place] == "cancel":
            ends.append("cancelled")
        elif stuck or (failed and policies[place] == "block"):
            ends.append("blocked")
        else:
            ends.append("dead" if dies[place] else "complete")
    return ends


@pytest.mark.parametrize("seed", range(25))
async def test_every_task_of_a_graph_ends_as_the_rules_say(family: Family, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - a graph, not a secret
    count = random.randint(2, 25)
    parents = [random.sample(range(place), random.randint(0, min(place, 4))) for place in range(count)]
    policies = [random.choice(POLICIES) for _ in range(count)]
    dies = [random.random() < 0.25 for _ in range(count)]
    places = random.sample(range(count), count)  # where in the batch each task stands
    items: list[dict[str, Any]] = [{} for _ in range(count)]
    for task, place in enumerate(places):
        pointers = [{"index": places[parent]} for parent in parents[task]]
        items[place] = {"depends_on": pointers, "on_parent_failure": policies[task]}
    results = await family.batch(items)
    ids = [results[place]["id"] for place in places]

    while ready := [task for task in range(count) if await family.state(ids[task]) == "ready"]:
        task = random.choice(ready)
        await family.run(ids[task], transition=DEAD if dies[task] else COMPLETE)
        if random.random() < 0.5:
            await family.sweep()
    await family.sweep()
    while ready := [task for task in range(count) if await family.state(ids[task]) == "ready"]:
        for task in ready:
            await family.run(ids[task], transition=DEAD if dies[task] else COMPLETE)
        await family.sweep()

    assert [await family.state(task_id) for task_id in ids] == foretell(parents, policies, dies)
