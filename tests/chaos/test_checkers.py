"""A checker that cannot fail proves nothing: each one complains about evidence in which its promise is broken."""

import pytest
from tests.chaos.broken import BROKEN, EXCUSED, LIVED, REMOVED, Break, show_plaintext
from tests.chaos.checkers_after import duplicates
from tests.chaos.healthy import healthy
from tests.chaos.verdict import CHECKERS, judge, lines


def test_healthy_evidence_satisfies_every_checker() -> None:
    assert {name: found for name, found in judge(healthy()).items() if found} == {}


@pytest.mark.parametrize(("checker", "what", "act"), BROKEN, ids=[f"{name} {what}" for name, what, _ in BROKEN])
def test_a_checker_complains(checker: str, what: str, act: Break) -> None:
    evidence = healthy()
    act(evidence)

    found = next(check for name, check in CHECKERS.items() if name.startswith(f"{checker} "))(evidence)

    assert found, what


def test_every_checker_can_fail() -> None:
    assert {name for name, _, _ in BROKEN} == {name.split()[0] for name in CHECKERS}


@pytest.mark.parametrize(("what", "act"), EXCUSED, ids=[what for what, _ in EXCUSED])
def test_what_a_fault_explains_is_excused(what: str, act: Break) -> None:
    evidence = healthy()
    act(evidence)

    assert {name: found for name, found in judge(evidence).items() if found and name[:3] != "C14"} == {}, what


def test_a_removed_task_is_no_lost_one() -> None:
    evidence = healthy()
    evidence.trail = {**evidence.trail, "one": [*LIVED, REMOVED]}
    evidence.rows = {"two": evidence.rows["two"]}

    assert {name: found for name, found in judge(evidence).items() if found} == {}


def test_a_run_that_a_loss_asked_for_is_counted_as_a_duplicate() -> None:
    assert duplicates(healthy()) == {"two": 1}


def test_the_report_names_what_failed() -> None:
    evidence = healthy()
    show_plaintext(evidence)

    report = "\n".join(lines(evidence, judge(evidence)))

    assert "FAIL C11 nothing in plain: 1" in report
    assert "ok   C1 no loss" in report
    assert "accepted tasks 2, lost 0" in report
