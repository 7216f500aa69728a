"""How answers look: tables and sentences for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPED: Final = 240
"""Columns where no terminal says how many there are: nothing is cut off in a file."""

STYLES: Final = {
    "complete": "green",
    "running": "cyan",
    "queued": "cyan",
    "dead": "red",
    "expired": "yellow",
    "cancelled": "yellow",
}


def console() -> Console:
    """Return where answers go."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PIPED)


def messages() -> Console:
    """Return where everything else goes, such as progress: nowhere unless a person watches."""
    return Console(stderr=True, highlight=False)


def print_object(document: Any) -> None:
    """Print one JSON object."""
    typer.echo(to_json(document, indent=2).decode())


def print_line(document: Any) -> None:
    """Print one JSON object of a list, on a line of its own."""
    typer.echo(to_json(document).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print rows below their titles, or a sentence when there are none."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="fold" if column == "id" else "ellipsis", header_style="bold")
    for row in rows:
        table.add_row(*(cell(each) for each in row))
    target = console()
    target.print(table if table.row_count else Text(empty))


def cell(value: Any) -> Text:
    """Return a value as it stands in a table."""
    match value:
        case None:
            return Text("")
        case datetime():
            return Text(moment(value))
        case str():
            return Text(printable(value), style=STYLES.get(value, ""))
        case list() | tuple():
            return Text(printable(", ".join(map(str, value))))
        case _:
            return Text(str(value))


def moment(instant: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def printable(text: str) -> str:
    """Return text without what a terminal would obey: it comes from whoever submits and handles tasks."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)
