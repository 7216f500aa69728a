"""Rows on their way to a statement that takes one array for each of their columns."""

from collections.abc import Sequence
from typing import Any


def columns_of(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return rows column by column, in the order of their names; a column in which no row has anything is empty.

    `unnest` puts NULL where an array is shorter than the others, so what nobody has is neither written nor read. The
    first column must have something in each row.

    Raises:
        ValueError: the rows do not have as many columns as there are names.
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {name: _unless_void(column) for name, column in zip(names, columns, strict=True)}


def _unless_void(column: Sequence[Any]) -> Sequence[Any]:
    return () if column.count(None) == len(column) else column
