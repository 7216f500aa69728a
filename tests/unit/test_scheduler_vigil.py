"""When the clock of the database has surely jumped, and for how long nobody may look."""

from datetime import UTC, datetime, timedelta

import pytest

from tidewheel_scheduler.vigil import SHORTEST_GAP, _Look, hearing, leap_between, longest_gap

START = datetime(2026, 6, 1, tzinfo=UTC)


def look(asked: float, answered: float, *, database: float) -> _Look:
    return _Look(asked, answered, START + timedelta(seconds=database))


@pytest.mark.parametrize(
    ("this", "leap"),
    [
        (look(10.0, 10.1, database=10.0), 0.0),
        (look(10.0, 10.1, database=3610.0), 3599.9),
        (look(10.0, 10.1, database=-3590.0), -3599.9),
        (look(10.0, 30.0, database=10.0), 0.0),  # frozen after the database had read its clock
        (look(10.0, 30.0, database=30.0), 0.0),  # or before it did
        (look(10.0, 30.0, database=40.0), 10.0),
    ],
)
def test_only_what_real_time_cannot_explain_is_a_leap(this: _Look, leap: float) -> None:
    last = look(0.0, 0.1, database=0.0)
    assert leap_between(last, this) == pytest.approx(leap)


def test_a_gap_may_last_half_as_long_as_silence_but_never_less_than_a_busy_machine_takes() -> None:
    assert [longest_gap(stale) for stale in (3.0, 15.0, 60.0)] == [SHORTEST_GAP, 7.5, 30.0]


@pytest.mark.parametrize("stale", [15.0, 60.0])
def test_after_any_outage_executors_have_as_long_to_be_heard_as_after_the_longest_gap(stale: float) -> None:
    assert hearing(stale) == stale - longest_gap(stale)
