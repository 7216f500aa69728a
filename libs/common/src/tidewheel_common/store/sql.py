"""Loads statements from `.sql` files.

SQL is text in a `.sql` file next to the only service that runs it. Each statement starts with a name, may declare the
edges of the lifecycle that it takes, and says in one sentence what it does:

    -- name: tasks_claim :many
    -- transition: queued -> running
    -- Claim the batch whose hints came off the stream.
    UPDATE tasks SET ...
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.core.lifecycle import State

_NAME = re.compile(r"^-- name: (?P<name>[a-z_]+) :(?P<kind>many|one|exec)$", re.MULTILINE)
_TRANSITION = re.compile(r"^-- transition: (?P<edges>.+)$", re.MULTILINE)
_BIND = re.compile(r"(?<![:\w]):([a-z_]+)")
_OUTSIDE = {"(new)", "(deleted)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One named statement.

    Attributes:
        kind: what it returns: many rows, one row, or none (`exec`).
        sql: as it is written, with its parameters by name.
        positional: as PostgreSQL takes it, with `$1` for the first of `names`.
        names: its parameters, in the order of their places.
    """

    name: str
    kind: str
    transitions: tuple[tuple[State | None, State | None], ...]
    summary: str
    sql: str
    positional: str
    names: tuple[str, ...]

    def arguments(self, parameters: Mapping[str, Any] | None) -> Sequence[Any]:
        """Return parameters in the order of their places.

        Raises:
            KeyError: one is missing.
        """
        return [parameters[name] for name in self.names] if parameters else []


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was built for one call, with its values in their places."""

    positional: str
    values: Sequence[Any]
    kind: str = "many"

    def arguments(self, _: Mapping[str, Any] | None) -> Sequence[Any]:
        """Return its values; they are part of it."""
        return self.values


class Statements(Mapping[str, Statement]):
    """The statements of one file, by name."""

    def __init__(self, statements: dict[str, Statement]) -> None:
        self._statements = statements

    def __getitem__(self, name: str) -> Statement:
        """Return a statement; a KeyError names what is missing."""
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._statements)

    def __len__(self) -> int:
        """Count the statements."""
        return len(self._statements)


def load_statements(package: str, filename: str = "queries.sql") -> Statements:
    """Load the statements of a package's `.sql` file.

    Raises:
        Misconfigured: two statements share a name, or a header cannot be read.
    """
    return parse_statements((files(package) / filename).read_text(encoding="utf-8"), source=f"{package}/{filename}")


def parse_statements(source_text: str, *, source: str) -> Statements:
    """Parse the text of a `.sql` file; `source` names it in errors."""
    statements: dict[str, Statement] = {}
    headers = list(_NAME.finditer(source_text))
    ends = [header.start() for header in headers[1:]] + [len(source_text)]
    for header, end in zip(headers, ends, strict=True):
        statement = _parse(header["name"], header["kind"], source_text[header.end() : end], source)
        if statement.name in statements:
            raise Misconfigured(f"{source} has two statements named {statement.name}; rename one of them.")
        statements[statement.name] = statement
    return Statements(statements)


def _parse(name: str, kind: str, block: str, source: str) -> Statement:
    comments = [line.removeprefix("-- ") for line in block.splitlines() if line.startswith("-- ")]
    sql = "\n".join(line for line in block.splitlines() if not line.startswith("--")).strip().removesuffix(";")
    declared = _TRANSITION.search(block)
    names = tuple(dict.fromkeys(_BIND.findall(sql)))
    return Statement(
        name=name,
        kind=kind,
        transitions=_edges(declared["edges"], f"{source}: {name}") if declared else (),
        summary=" ".join(line for line in comments if not line.startswith("transition:")),
        sql=sql,
        positional=_BIND.sub(lambda bind: f"${names.index(bind[1]) + 1}", sql),
        names=names,
    )


def _edges(header: str, where: str) -> tuple[tuple[State | None, State | None], ...]:
    return tuple(_edge(part, where) for part in header.split(","))


def _edge(part: str, where: str) -> tuple[State | None, State | None]:
    source, arrow, target = part.strip().partition(" -> ")
    if not arrow:
        raise Misconfigured(f"{where}: cannot read the transition {part!r}; write it as `queued -> running`.")
    return _state(source, where), _state(target, where)


def _state(word: str, where: str) -> State | None:
    if word in _OUTSIDE:
        return None
    try:
        return State(word)
    except ValueError:
        raise Misconfigured(f"{where}: {word!r} is not a state of the lifecycle.") from None
