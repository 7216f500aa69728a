"""A tenant keeps to its rate, in whatever portions it submits, and owes nothing for what others do."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_gateway.allowance import MOST_KEPT, SAVED, Allowance
from tidewheel_gateway.problems import Problem

RATE = 5.0
NOISY, QUIET = UUID(int=1), UUID(int=2)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def submitted(allowance: Allowance, tenant: UUID, tasks: int) -> int:
    """Submit a batch; return 0, or the seconds to wait when it is refused."""
    try:
        allowance.admit(tenant)
    except Problem as problem:
        return int(problem.headers["Retry-After"])
    allowance.charge(tenant, tasks - 1)
    return 0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 1000)), min_size=1, max_size=50))
def test_what_is_let_in_is_no_more_than_the_rate_allows(calls: list[tuple[float, int]]) -> None:
    clock = Clock()
    allowance = Allowance(RATE, monotonic=clock)
    began = clock.now
    accepted = 0
    for pause, tasks in calls:
        clock.now += pause
        if not submitted(allowance, NOISY, tasks):
            assert accepted <= RATE * (clock.now - began + SAVED) + 0.001, "only who owes nothing is let in"
            accepted += tasks


def test_who_waits_as_long_as_it_is_told_is_let_in_and_not_before() -> None:
    clock = Clock()
    allowance = Allowance(RATE, monotonic=clock)
    assert submitted(allowance, NOISY, int(RATE * SAVED) + 12) == 0
    wait = submitted(allowance, NOISY, 1)
    assert wait == 3
    assert submitted(allowance, QUIET, 1) == 0
    clock.now += wait - 1
    assert submitted(allowance, NOISY, 1) == 1
    clock.now += 1
    assert submitted(allowance, NOISY, 1) == 0


def test_without_a_rate_everything_is_let_in() -> None:
    allowance = Allowance(None, monotonic=Clock())
    assert [submitted(allowance, NOISY, 1000) for _ in range(100)] == [0] * 100


@pytest.mark.parametrize("tenants", [MOST_KEPT + 10])
def test_many_tenants_fill_no_memory(tenants: int) -> None:
    allowance = Allowance(RATE, monotonic=Clock())
    for number in range(tenants):
        allowance.admit(UUID(int=number))
    assert len(allowance._free_at) <= MOST_KEPT
