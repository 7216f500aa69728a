"""The loads of tests/load, as the Python driver lays them out."""

from itertools import pairwise

import pytest
from tests.load.plan import HERE, Piece, Plan, plans

PLANS = plans()


@pytest.mark.parametrize("name", PLANS)
def test_each_load_has_a_k6_script(name: str) -> None:
    assert f"optionsOf('{name}')" in (HERE / f"{name}.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLANS)
def test_as_many_requests_are_due_as_the_rates_ask_for_in_order_and_in_time(name: str) -> None:
    plan = PLANS[name].scaled(seconds=60, rate=None)
    dues = list(plan.dues())

    assert len(dues) == pytest.approx(sum(piece.tasks for piece in plan.pieces) / plan.batch, abs=len(plan.pieces))
    assert all(before <= after for before, after in pairwise(dues))
    assert 0 == dues[0] < dues[-1] < plan.seconds


def test_a_rate_that_climbs_from_nothing_offers_most_at_its_end() -> None:
    plan = Plan(name="ramp", about="", batch=1, pieces=(Piece(start=0, end=100, seconds=10),), limits={})

    dues = list(plan.dues())

    assert len(dues) == 500
    assert sum(1 for due in dues if due < 5) == pytest.approx(125, abs=1)


def test_a_scaled_load_keeps_its_shape() -> None:
    plan = PLANS["spike"].scaled(seconds=4, rate=100)

    assert plan.seconds == pytest.approx(4)
    assert plan.height == 100
    assert [piece.start / plan.height for piece in plan.pieces] == [0.025, 1, 1, 0.025]
