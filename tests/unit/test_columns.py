"""Rows as one array for each column."""

import pytest

from tidewheel_common.store.columns import columns_of


def test_rows_are_turned_round() -> None:
    assert columns_of([(1, "a"), (2, None)], ("ids", "words")) == {"ids": (1, 2), "words": ("a", None)}


def test_a_column_in_which_nobody_has_anything_is_empty() -> None:
    assert columns_of([(1, None), (2, None)], ("ids", "words")) == {"ids": (1, 2), "words": ()}


def test_a_column_that_may_be_alike_has_one_value_when_it_is_the_same_in_all_rows() -> None:
    rows = [(1, "a", "x", False), (2, "a", "x", True)]
    turned = columns_of(rows, ("ids", "words", "others", "flags"), alike={"words", "flags"})
    assert turned == {"ids": (1, 2), "words": ("a",), "others": ("x", "x"), "flags": (False, True)}


def test_no_rows_are_empty_columns() -> None:
    assert columns_of([], ("ids", "words")) == {"ids": (), "words": ()}


def test_rows_have_as_many_columns_as_there_are_names() -> None:
    with pytest.raises(ValueError, match="shorter"):
        columns_of([(1,)], ("ids", "words"))
