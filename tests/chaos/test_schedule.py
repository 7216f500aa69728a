"""The same seed breaks the same things in the same order; a round breaks everything once."""

from collections import Counter

import pytest
from tests.chaos.campaign import LEG, legs, possible
from tests.chaos.cluster import Shape
from tests.chaos.forecast import forecast
from tests.chaos.ledger import Run, read_runs
from tests.chaos.schedule import CLOCKS, KINDS, catalogue, draw_schedule

_SERVICES = Shape().services


def test_a_seed_gives_one_schedule() -> None:
    assert draw_schedule(7, _SERVICES, rounds=2) == draw_schedule(7, _SERVICES, rounds=2)
    assert draw_schedule(7, _SERVICES, rounds=1) != draw_schedule(8, _SERVICES, rounds=1)


def test_a_seed_gives_the_same_faults_whatever_this_machine_allows() -> None:
    """What it cannot do is left out of the schedule after that was drawn, so that the rest stays as it was."""
    short = draw_schedule(7, _SERVICES, rounds=1)

    assert draw_schedule(7, _SERVICES, rounds=3)[: len(short)] == short
    assert [planned for planned in short if planned.kind not in CLOCKS] == possible(
        short, dict.fromkeys(CLOCKS, "no library"), print
    )


def test_a_round_has_every_fault_once() -> None:
    drawn = Counter((planned.kind, planned.target) for planned in draw_schedule(7, _SERVICES, rounds=1))

    assert drawn == Counter(catalogue(_SERVICES))
    assert set(drawn.values()) == {1}


def test_the_catalogue_uses_every_kind() -> None:
    assert {kind for kind, _ in catalogue(_SERVICES)} == set(KINDS)


def test_a_run_without_an_end_is_one_whose_process_was_lost() -> None:
    lines = [
        *("start a 1 alpha 11 1.5 executor-1", "start b 1 beta 12 1.6 executor-1", "end b 1 beta 12 1.7 executor-1"),
        "start a 2 alpha 13 9.0 executor-2",
    ]

    assert read_runs(lines) == [
        Run("a", 1, "alpha", 11, 1.5, None, "executor-1"),
        Run("b", 1, "beta", 12, 1.6, 1.7, "executor-1"),
        Run("a", 2, "alpha", 13, 9.0, None, "executor-2"),
    ]


def test_every_second_round_comes_in_storms_that_hit_no_target_twice() -> None:
    drawn = draw_schedule(7, _SERVICES, rounds=2)
    storms = [planned for planned in drawn if planned.storm]

    assert Counter((planned.kind, planned.target) for planned in storms) == Counter(catalogue(_SERVICES))
    assert set(Counter((planned.storm, planned.target) for planned in storms).values()) == {1}


@pytest.mark.parametrize("seed", [1, 7, 20261121])
def test_a_round_fits_into_the_usual_time_and_two_hundred_faults_into_twenty_minutes(seed: int) -> None:
    schedule = draw_schedule(seed, _SERVICES, rounds=22)

    alone = forecast(schedule, seconds=12 * 60).alone
    assert alone is not None
    assert alone < 11 * 60, "a slow machine has a minute to spare for all faults once"
    assert forecast(schedule, seconds=20 * 60).faults > 200


def test_a_long_campaign_rests_time_and_again_and_a_short_one_at_its_end() -> None:
    assert legs(1200) == [1200]
    assert len(legs(36_000)) == 20
    assert sum(legs(5000)) == 5000
    assert max(legs(5000)) <= LEG


def test_a_schedule_may_be_kept_to_some_kinds() -> None:
    assert {planned.kind for planned in draw_schedule(7, _SERVICES, rounds=2, kinds=["stopped"])} == {"stopped"}
