"""What the main process learns from what a child returned."""

import pytest

from tidewheel_executor.request import read_times


def test_times_are_read_from_the_repr() -> None:
    assert read_times(repr({"handlers": {"a.b": [3, 0.25, 1.5]}})) == {"a.b": [3, 0.25, 1.5]}


@pytest.mark.parametrize("returned", ["None", "{'handlers': {'a': [1, 0.", "{}", "'text'", "__import__('os')", "[1]"])
def test_anything_else_teaches_nothing(returned: str) -> None:
    assert read_times(returned) == {}
