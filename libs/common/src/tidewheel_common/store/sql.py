"""Loads statements from `.sql` files.

SQL is text in a `.sql` file next to the only service that runs it. Each statement starts with a name, may declare the
edges of the lifecycle that it takes, and says in one sentence what it does:

    -- name: tasks_claim :many
    -- transition: queued -> running
    -- Claim the batch whose hints came off the stream.
    UPDATE tasks SET ...
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.types import NULLTYPE

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.core.lifecycle import State

_NAME = re.compile(r"^-- name: (?P<name>[a-z_]+) :(?P<kind>many|one|exec)$", re.MULTILINE)
_TRANSITION = re.compile(r"^-- transition: (?P<edges>.+)$", re.MULTILINE)
_BIND = re.compile(r"(?<![:\w]):([a-z_]+)")
_OUTSIDE = {"(new)", "(deleted)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One named statement. `kind` says what it returns: many rows, one row, or none."""

    name: str
    kind: str
    transitions: tuple[tuple[State | None, State | None], ...]
    summary: str
    sql: str
    clause: TextClause


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

    def clause(self, name: str) -> TextClause:
        """Return a statement as SQLAlchemy runs it."""
        return self._statements[name].clause


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
    return Statement(
        name=name,
        kind=kind,
        transitions=_edges(declared["edges"], f"{source}: {name}") if declared else (),
        summary=" ".join(line for line in comments if not line.startswith("transition:")),
        sql=sql,
        # Without a type SQLAlchemy would cast each bind by its Python value; PostgreSQL infers better.
        clause=text(sql).bindparams(*(bindparam(bind, type_=NULLTYPE) for bind in sorted(set(_BIND.findall(sql))))),
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
