"""Recovery times are measured from the healing, held against the bars, and written where a page has place for them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.cluster import Shape
from tests.chaos.evidence import Evidence, Injected
from tests.chaos.healthy import healthy
from tests.chaos.recovery import bar_results, measured
from tests.chaos.report import EVERYTHING, WHAT_HAPPENS, markdown, marks, refresh
from tests.chaos.run import COMPLAINED, TOO_SLOW, exit_code
from tests.chaos.schedule import KINDS, catalogue
from tests.chaos.verdict import judge, lines

BEGIN, END = marks(EVERYTHING)

_FIGURES = ["| fault |", "| `frozen` | executor |", "**lost** | **0**"]


def _killed(seconds: float, *, settled: float = 0.5) -> Injected:
    return Injected(kind="killed", target="gateway", began=50.0, healed=51.0, recovered=seconds, settled=settled)


def _with(*faults: Injected) -> Evidence:
    evidence = healthy()
    evidence.faults = [*evidence.faults, *faults]
    return evidence


def test_each_kind_of_fault_is_measured_on_its_own() -> None:
    found = {(line.kind, line.place): line for line in measured(_with(_killed(1.0), _killed(3.0)))}

    assert found["killed", "service"].recovered == [1.0, 3.0]
    assert found["frozen", "executor"].times == 1


def test_a_bar_is_met_by_the_longest_or_not_at_all() -> None:
    met = {result.bar.what: result.met for result in bar_results(_with(_killed(1.0), _killed(4.9)))}
    missed = {result.bar.what: result.met for result in bar_results(_with(_killed(1.0), _killed(5.1)))}

    assert met["a killed service, from its restart to normal flow"] is True
    assert missed["a killed service, from its restart to normal flow"] is False
    assert met["PostgreSQL, from its restart to normal flow"] is None


def test_new_work_alone_is_no_normal_flow() -> None:
    found = {result.bar.what: result.met for result in bar_results(_with(_killed(1.0, settled=9.0)))}

    assert found["a killed service, from its restart to normal flow"] is False


def test_lost_tasks_must_run_again_in_time() -> None:
    evidence = healthy()
    late = [replace(step, at=step.at + 60.0) for step in evidence.trail["two"][5:]]
    evidence.trail = {**evidence.trail, "two": [*evidence.trail["two"][:5], *late]}

    assert [result.met for result in bar_results(evidence) if "lost executor" in result.bar.what] == [False]


@pytest.mark.parametrize(
    ("fault", "verdicts", "code"),
    [
        (_killed(1.0), {"C1": []}, 0),
        (_killed(6.0), {"C1": []}, TOO_SLOW),
        (_killed(6.0), {"C1": ["gone"]}, COMPLAINED),
    ],
)
def test_the_exit_code_tells_what_was_broken(fault: Injected, verdicts: dict[str, list[str]], code: int) -> None:
    assert exit_code(_with(fault), verdicts) == code


def test_the_report_says_which_bar_was_met() -> None:
    evidence = _with(_killed(6.0))

    text = "\n".join(lines(evidence, judge(evidence)))

    assert "MISS a killed service, from its restart to normal flow, at most 5 s: 1 times, p50 6.0 s, max 6.0 s" in text
    assert "met  a lost executor's tasks" in text


def test_figures_replace_those_of_the_last_time_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n", encoding="utf-8")

    for _ in range(2):
        refresh(page, healthy(), judge(healthy()), "make chaos SEED=1")

    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old figures" not in text
    assert all(text.count(part) == 1 for part in _FIGURES)


def test_a_page_without_a_place_for_figures_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")

    with pytest.raises(ValueError, match="no place for figures"):
        refresh(page, healthy(), judge(healthy()), "make chaos")

    assert page.read_text(encoding="utf-8") == "nothing\n"


def test_every_fault_has_a_line_about_what_happens() -> None:
    assert {name.split()[0] for name in WHAT_HAPPENS} == {*KINDS, "storm"}
    evidence = healthy()
    evidence.faults = [Injected(kind=kind, target=target, began=1.0, healed=2.0) for kind, target in
                       catalogue(Shape().services)]  # fmt: skip
    rows = [line for line in markdown(evidence, judge(evidence), "make chaos") if line.startswith("| `")]
    assert len(rows) >= len(KINDS)
