"""Rows as one array for each column."""

import pytest

from tidewheel_common.store.columns import columns_of


def test_rows_are_turned_round() -> None:
    assert columns_of([(1, "a"), (2, None)], ("ids", "words")) == {"ids": (1, 2), "words": ("a", None)}


def test_a_column_in_which_nobody_has_anything_is_empty() -> None:
    assert columns_of([(1, None), (2, None)], ("ids", "words")) == {"ids": (1, 2), "words": ()}


def test_no_rows_are_empty_columns() -> None:
    assert columns_of([], ("ids", "words")) == {"ids": (), "words": ()}


def test_rows_have_as_many_columns_as_there_are_names() -> None:
    with pytest.raises(ValueError, match="shorter"):
        columns_of([(1,)], ("ids", "words"))
