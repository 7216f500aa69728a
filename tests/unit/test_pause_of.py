"""How long an attempt waits that was given back."""

from types import SimpleNamespace

import pytest

from tidewheel_executor.standing import LONGEST_INTERRUPTION, pause_of


@pytest.mark.parametrize(
    ("attempt", "failures", "lost", "pause"),
    [(1, 0, 0, 0.0), (2, 0, 0, 1.0), (3, 0, 0, 2.0), (4, 0, 0, 4.0), (4, 2, 1, 0.0), (5, 2, 1, 1.0)],
)
def test_the_first_comes_again_at_once_and_each_further_one_later(
    attempt: int, failures: int, lost: int, pause: float
) -> None:
    assert pause_of(SimpleNamespace(attempt=attempt, failures=failures, lost=lost)) == pause


def test_it_never_waits_for_long() -> None:
    assert pause_of(SimpleNamespace(attempt=10_000, failures=0, lost=0)) == LONGEST_INTERRUPTION
    assert pause_of(SimpleNamespace(attempt=1, failures=3, lost=0)) == 0.0  # redriven
