"""What a statement returns."""

from collections.abc import Iterable
from typing import Any

import asyncpg


class Row(asyncpg.Record):  # type: ignore[misc]  # the driver has no types
    """A row: its values by name as attributes or members, and in their order."""

    def __getattr__(self, name: str) -> Any:
        """Return a value by its column's name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The row has no column {name}.") from None


class Rows(list[Row]):
    """All rows of a statement.

    Attributes:
        touched: how many rows a statement touched that returns none.
    """

    def __init__(self, rows: Iterable[Row] = (), *, touched: int = 0) -> None:
        super().__init__(rows)
        self.touched = touched

    def one(self) -> Row:
        """Return the only row.

        Raises:
            ValueError: there is none, or several.
        """
        [row] = self
        return row

    def one_or_none(self) -> Row | None:
        """Return the only row, or None.

        Raises:
            ValueError: there are several.
        """
        return self.one() if self else None

    def scalar_one(self) -> Any:
        """Return the first value of the only row.

        Raises:
            ValueError: there is none, or several.
        """
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """Return the first value of the only row, or None.

        Raises:
            ValueError: there are several.
        """
        return self.one()[0] if self else None

    def scalars(self) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in self]
