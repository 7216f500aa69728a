"""The checks of the failpoint tests can fail, each on its own."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.failpoints.story import Story, faults

GOOD = Story(state="complete", attempt=2, log=[(1, "lost"), (2, "complete")], ran=Counter({1: 1, 2: 1}))
GONE = Story(state=None, attempt=0, log=[], ran=Counter({1: 1}), short_lived=True)


@pytest.mark.parametrize("story", [GOOD, replace(GOOD, ran=Counter({2: 1})), GONE])
def test_a_good_story_has_no_faults(story: Story) -> None:
    assert list(faults(story)) == []


def test_a_repeat_is_told_from_a_loss() -> None:
    assert (GOOD.losses, GOOD.repeats) == (1, 1)
    assert (replace(GOOD, ran=Counter({2: 1})).losses, replace(GOOD, ran=Counter({2: 1})).repeats) == (1, 0)


@pytest.mark.parametrize(
    ("story", "change", "fault"),
    [
        (GOOD, {"state": "dead"}, "it ended dead"),
        (GOOD, {"state": None}, "vanished"),
        (GOOD, {"log": [(2, "complete")]}, "of 2 attempts it logged"),
        (GOOD, {"ran": Counter({1: 1, 2: 2})}, "attempt 2 ended complete and ran 2 times"),
        (GOOD, {"ran": Counter({1: 1})}, "attempt 2 ended complete and ran 0 times"),
        (GOOD, {"ran": Counter({1: 2, 2: 1})}, "attempt 1 ended lost and ran 2 times"),
        (GOOD, {"ran": Counter({2: 1, 3: 1})}, r"\[3\] ran and nobody knows"),
        (GONE, {"short_lived": False}, "vanished"),
        (GONE, {"ran": Counter()}, "never ran"),
        (GONE, {"ran": Counter({1: 2})}, "ran twice"),
    ],
)
def test_each_fault_is_noticed(story: Story, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert list(faults(replace(story, **change))) == []
