"""Plans that are kept for as long as a connection lives: each is the same whatever the tables hold when it is made."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tidewheel_common.store.engine import Plans, open_engine
from tidewheel_common.store.sql import Statement, load_statements

EXECUTOR = load_statements("tidewheel_executor")
DISPATCHER = load_statements("tidewheel_dispatcher")

FILLED = """
    INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, removal_delay, delivery,
        run_at, remove_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'demo.echo', 'default', 1, 'complete', 'sealed', 5, 60,
        'at_least_once', now(), now() + interval '1 day'
    FROM generate_series(1, {count})
"""
READY = """
    INSERT INTO tasks (id, tenant_id, handler, queue, priority, state, payload, max_attempts, removal_delay, delivery,
        run_at, ready_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'demo.echo', 'default', 1, 'ready', 'sealed', 5, 60,
        'at_least_once', now(), now()
    FROM generate_series(1, {count})
"""
WORKED_OFF = "UPDATE tasks SET state = 'complete', ready_at = NULL, remove_at = now() + interval '1 day'"

STATES = {
    "never analysed": (),
    "analysed while it was empty": ("VACUUM ANALYZE",),
    "one task": (FILLED.format(count=1), "VACUUM ANALYZE"),
    "a few tasks": (FILLED.format(count=30), "VACUUM ANALYZE"),
    "much history": (FILLED.format(count=20_000), "ANALYZE"),
    "a large backlog": (READY.format(count=20_000), "ANALYZE"),
    "a large backlog that was worked off": (READY.format(count=20_000), "ANALYZE", WORKED_OFF, "VACUUM ANALYZE"),
    "much that was deleted": (FILLED.format(count=20_000), "DELETE FROM tasks", "VACUUM ANALYZE"),
}


@pytest.fixture(params=STATES)
async def driver(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Any]:
    """Lend a connection whose plans are kept, to a database in one of the states in which it may make them."""
    owner = await asyncpg.connect(database_url)
    for statement in STATES[request.param]:
        await owner.execute(statement)
    await owner.close()
    engine = open_engine(database_url, application_name="test", plans=Plans.KEPT)
    async with engine.connect() as connection:
        yield connection._driver  # the plan is made with its settings
    await engine.dispose()


async def scans(driver: Any, statement: Statement) -> list[tuple[str, str]]:
    """Return the index and the condition of each scan of tasks in a statement's plan, whatever its parameters."""
    await driver.execute(f"PREPARE kept AS {statement.positional}")
    values = ", ".join(["NULL"] * len(statement.names))
    call = f"kept({values})" if values else "kept"
    (explained,) = json.loads(await driver.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {call}"))
    found = [node for node in _nodes(explained["Plan"]) if node.get("Relation Name") == "tasks"]
    return [
        (node.get("Index Name", node["Node Type"]), node.get("Index Cond", ""))
        for node in found
        if node["Node Type"] != "ModifyTable"
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize(("name", "looks"), [("tasks_claim", 1), ("tasks_complete", 1), ("tasks_finish", 2)])
async def test_claims_and_endings_go_from_the_hints_to_the_rows(driver: Any, name: str, looks: int) -> None:
    found = await scans(driver, EXECUTOR[name])
    assert [index for index, _ in found] == ["tasks_pkey"] * looks
    assert all(condition.startswith("(id = ") for _, condition in found), found


async def test_a_dispatch_goes_from_its_lines_to_what_is_ready(driver: Any) -> None:
    # The second scan counts the tasks of concurrency keys: those are dispatched with plans that are not kept.
    (ready, _, marked) = await scans(driver, DISPATCHER["tasks_dispatch"])
    assert ready[0] == "tasks_ready"
    assert all(f"{column} " in ready[1] for column in ("queue =", "priority =", "ready_at >=", "ready_at <="))
    assert marked[0] == "tasks_pkey"
    assert marked[1].startswith("(id = ")


async def test_a_look_finds_the_lines_by_the_index_of_what_is_ready(driver: Any) -> None:
    found = await scans(driver, DISPATCHER["lines_ready"])
    assert [index for index, _ in found] == ["tasks_ready"] * 4
    assert sum(condition.startswith("(ROW(queue, priority) > ") for _, condition in found) == 1
    assert sum("ready_at" in condition for _, condition in found) == 2
