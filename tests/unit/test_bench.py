"""What the bench says about ids and bars, and where the page shows it."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.bench.course import Course
from tests.bench.ledger import Count, Ledger
from tests.bench.page import PAGE, places, written
from tests.bench.report import Bar, quantile
from tests.bench.scenarios import SCENARIOS

A, B, C = uuid4(), uuid4(), uuid4()


def _ledger(path: Path, runs: Sequence[UUID]) -> Ledger:
    path.write_bytes(b"".join(run.bytes for run in runs))
    return Ledger(path)


@pytest.mark.parametrize(
    ("runs", "count"),
    [
        ([B, A], Count(tasks=2, lost=0, duplicated=0, strangers=0)),
        ([A], Count(tasks=2, lost=1, duplicated=0, strangers=0)),
        ([A, B, A, A], Count(tasks=2, lost=0, duplicated=2, strangers=0)),
        ([A, B, C], Count(tasks=2, lost=0, duplicated=0, strangers=1)),
    ],
)
def test_every_accepted_id_is_held_against_the_runs(tmp_path: Path, runs: list[UUID], count: Count) -> None:
    ledger = _ledger(tmp_path / "runs", runs)

    found = ledger.count([str(A).encode(), str(B).encode()])

    assert found == count
    assert found.exact == (len(runs) == 2)


def test_an_id_that_was_answered_twice_is_no_second_task(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path / "runs", [A])

    assert not ledger.count([str(A).encode(), str(A).encode()]).exact


def test_a_bar_is_met_at_its_limit_and_not_by_what_is_no_number() -> None:
    assert Bar(figure="", most=50).met_by(50)
    assert not Bar(figure="", most=50).met_by(50.1)
    assert Bar(figure="", least=10).met_by(10)
    assert not Bar(figure="", most=50).met_by(quantile([], 0.99))


def test_a_course_knows_the_rate_of_its_parts() -> None:
    course = Course([(0.0, 0), (1.0, 0), (2.0, 100), (3.0, 300), (4.0, 300)])

    assert course.rate_of_runs(0, 100) == 100
    assert course.rate_of_runs(100, 300) == 200
    assert course.rate_from(1.0) == 150


def test_the_page_has_a_place_for_each_scenario_and_no_other() -> None:
    assert places(PAGE.read_text(encoding="utf-8")) == {*SCENARIOS, "machine", "bars", "hops", "costs", "counts"}


def test_a_page_keeps_the_figures_of_what_was_not_measured_again() -> None:
    page = "<!-- bench: idle -->\nold\n<!-- end -->\ntext\n<!-- bench: counts -->\n<!-- end -->\nmore\n"
    results: dict[str, object] = {"scenarios": {}, "machine": {}, "warnings": []}

    once = written(page, results)

    assert once.startswith("<!-- bench: idle -->\nold\n<!-- end -->\ntext\n")
    assert "| scenario | accepted | lost |" in once
    assert once.endswith("<!-- end -->\nmore\n")
    assert written(once, results) == once
