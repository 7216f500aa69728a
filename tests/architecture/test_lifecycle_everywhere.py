"""The lifecycle's table, the schema and the chart say the same."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import insert

from tidewheel_common.core.chart import page
from tidewheel_common.core.lifecycle import SWEEP_COLUMNS, State
from tidewheel_common.core.task import Delivery, Priority
from tidewheel_common.store.engine import Engine
from tidewheel_common.store.expression import render
from tidewheel_common.store.tables import tasks

INSTANT = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def accepts(engine: Engine, state: str, columns: set[str], **others: object) -> bool:
    """Tell whether the schema takes a task in a state with these sweep columns set."""
    row: dict[str, object] = {
        "id": uuid4(),
        "tenant_id": UUID(int=1),
        "handler": "demo.echo",
        "queue": "default",
        "priority": 1,
        "state": state,
        "payload": b"sealed",
        "max_attempts": 5,
        "removal_delay": 60.0,
        "delivery": "at_least_once",
        "run_at": INSTANT,
        **dict.fromkeys(columns, INSTANT),
        **others,
    }
    try:
        async with engine.begin() as connection:
            await connection.execute(render(insert(tasks).values(row)))
    except IntegrityConstraintViolationError:
        return False
    return True


@pytest.mark.parametrize("state", list(State))
async def test_the_schema_wants_each_sweep_column_exactly_in_its_states(engine: Engine, state: State) -> None:
    right = {column for column, states in SWEEP_COLUMNS.items() if state in states}
    assert await accepts(engine, state, right)
    for column in SWEEP_COLUMNS:
        assert not await accepts(engine, state, right ^ {column}), f"{state} with {column} turned around"


async def test_the_schema_knows_no_other_state_priority_or_delivery(engine: Engine) -> None:
    assert not await accepts(engine, "failed", set())
    ready = {"ready_at"}
    assert [number for number in range(-1, 5) if await accepts(engine, "ready", ready, priority=number)] == list(
        Priority
    )
    assert not await accepts(engine, "ready", ready, delivery="exactly_once")
    for delivery in Delivery:
        assert await accepts(engine, "ready", ready, delivery=delivery.value)


def test_the_chart_is_the_table(repository: Path) -> None:
    chart = (repository / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    assert chart == page(), "run: python -m tidewheel_common.core.chart > docs/lifecycle.md"
