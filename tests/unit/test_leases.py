"""For how long a claim holds the tasks of a batch."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.streams.hint import Hint
from tidewheel_executor.claim import LONGEST, Terms, leases

TERMS = Terms(executor_id=UUID(int=1), default_timeout=300.0, grace=10.0)


def hints(*timeouts: float | None) -> list[Hint]:
    return [Hint(UUID(int=number), 0, "h", timeout) for number, timeout in enumerate(timeouts)]


def test_a_lease_counts_what_runs_before_it() -> None:
    assert leases(hints(7.0, None, 5.0), TERMS, None) == [17.0, 317.0, 322.0]


def test_a_lease_need_not_outlast_the_batch() -> None:
    assert leases(hints(None, None, None), TERMS, 305.0) == [310.0, 315.0, 315.0]


@pytest.mark.parametrize("timeout", [1e300, float("inf"), float("nan")])
def test_an_absurd_timeout_spoils_nothing(timeout: float) -> None:
    assert leases(hints(timeout, 1.0), TERMS, None) == [LONGEST + 10.0, LONGEST + 11.0]


@given(
    timeouts=st.lists(st.none() | st.floats(0.0, 1e6), min_size=1),
    hard_limit=st.none() | st.floats(1.0, 1e6),
)
def test_no_lease_ends_before_its_task_has_had_its_time_or_the_batch_its_end(
    timeouts: list[float | None], hard_limit: float | None
) -> None:
    held = leases(hints(*timeouts), TERMS, hard_limit)
    assert held == sorted(held)
    for lease, timeout in zip(held, timeouts, strict=True):
        own = TERMS.default_timeout if timeout is None else timeout
        assert lease >= min(own, own if hard_limit is None else hard_limit) + TERMS.grace
