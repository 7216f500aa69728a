"""References to the results of parents are held against the parents when a task is submitted."""

from typing import Any
from uuid import UUID

import pytest

from tidewheel_common.core.submission import Candidate, read_candidate

FIRST, SECOND = str(UUID(int=1)), str(UUID(int=2))


def faults(parents: list[Any], **payload: Any) -> list[tuple[str | None, str]]:
    read = read_candidate({"handler": "a.b", "depends_on": parents, "payload": payload}, pointer="/tasks/3", nul=False)
    return [] if isinstance(read, Candidate) else [(fault.pointer, fault.code) for fault in read]


@pytest.mark.parametrize("place", [2, -1, True, 0.0, "0", "**", None, [0], {"$parent": 0}])
def test_a_reference_that_leads_to_no_parent_is_refused(place: Any) -> None:
    wrong = [("/tasks/3/payload/a~1b/$parent", "unknown_parent")]
    assert faults([FIRST, SECOND], **{"a/b": {"$parent": place}, "fine": {"$parent": 1}}) == wrong


def test_a_task_without_parents_can_ask_for_no_result() -> None:
    assert faults([], x={"$parent": 0}, y={"$parent": "*"}) == [
        ("/tasks/3/payload/x/$parent", "unknown_parent"),
        ("/tasks/3/payload/y/$parent", "unknown_parent"),
    ]


def test_a_parent_that_is_named_twice_is_one() -> None:
    assert faults([FIRST, FIRST], x={"$parent": 0}) == []
    assert faults([{"index": 0}, {"index": 0}], x={"$parent": 1}) == [("/tasks/3/payload/x/$parent", "unknown_parent")]


def test_what_only_looks_like_a_reference_is_data() -> None:
    assert faults([], x={"$parent": 7, "more": 1}, y=[{"$parent": 7}], z={"deep": {"$parent": 7}}) == []
