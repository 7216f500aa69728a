"""When an executor's silence counts."""

from datetime import UTC, datetime, timedelta

from tidewheel_scheduler.vigil import Vigil

START = datetime(2026, 6, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def looks(vigil: Vigil, clock: Clock, *, here: float, database: float) -> bool:
    clock.seconds = 100.0 + here
    return vigil.look(START + timedelta(seconds=database))


def test_silence_counts_after_patient_undisturbed_watching() -> None:
    clock = Clock()
    vigil = Vigil(patience=3.0, clock=clock)
    assert [looks(vigil, clock, here=second, database=second) for second in range(5)] == [False] * 3 + [True] * 2


def test_without_patience_silence_counts_at_once() -> None:
    assert Vigil(patience=0.0).look(START)


def test_an_outage_of_the_database_starts_the_watch_anew() -> None:
    clock = Clock()
    vigil = Vigil(patience=3.0, clock=clock)
    for second in range(4):
        looks(vigil, clock, here=second, database=second)
    assert [looks(vigil, clock, here=second, database=second) for second in (60, 61, 62, 63)] == [False] * 3 + [True]


def test_a_jump_of_the_database_clock_starts_the_watch_anew() -> None:
    clock = Clock()
    vigil = Vigil(patience=3.0, clock=clock)
    for second in range(4):
        looks(vigil, clock, here=second, database=second)
    assert not looks(vigil, clock, here=5, database=3600)
    assert looks(vigil, clock, here=8, database=3603)
    assert not looks(vigil, clock, here=9, database=0)
