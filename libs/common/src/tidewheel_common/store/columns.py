"""Rows on their way to a statement that takes one array for each of their columns."""

from collections.abc import Collection, Sequence
from typing import Any


def columns_of(
    rows: Sequence[Sequence[Any]], names: Sequence[str], *, alike: Collection[str] = ()
) -> dict[str, Sequence[Any]]:
    """Return rows column by column, in the order of their names; a column in which no row has anything is empty.

    `unnest` puts NULL where an array is shorter than the others, so what nobody has is neither written nor read. The
    first column must have something in each row.

    Args:
        rows: all of one length.
        names: of the columns.
        alike: columns that have one value when it is the same in all rows. The statement puts it where the array is
            too short, so they must have something in each row.

    Raises:
        ValueError: the rows do not have as many columns as there are names.
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {name: _shortened(column, name in alike) for name, column in zip(names, columns, strict=True)}


def _shortened(column: Sequence[Any], alike: bool) -> Sequence[Any]:
    if not column or column.count(first := column[0]) < len(column):
        return column
    if first is None:
        return ()
    return (first,) if alike else column
