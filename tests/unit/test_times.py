"""What the main process learns from what a child returned."""

import pytest
from celery.utils.saferepr import saferepr

from tidewheel_executor.times import Times, read_times


def test_times_reach_the_main_process_through_the_repr_that_celery_makes() -> None:
    handlers = {"a.b": [3, 0.25, 1.5], 'it\'s "ä"': [1, 0.0, 0.0]}
    assert read_times(saferepr(Times(handlers), 65_536)) == handlers


@pytest.mark.parametrize("returned", ["None", "null", '{"handlers": {"a": [1, 0.', "{}", "'text'", "[1]"])
def test_anything_else_teaches_nothing(returned: str) -> None:
    assert read_times(returned) == {}
