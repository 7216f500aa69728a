"""What the architecture tests look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidewheel_common.core.lifecycle import Owner
from tidewheel_common.store.sql import Statement, parse_statements

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Owned:
    """A statement and the process that runs it; None for one that may move no task."""

    path: str
    owner: Owner | None
    statement: Statement

    def __str__(self) -> str:
        return f"{self.path}: {self.statement.name}"


def modules() -> list[Path]:
    """Every Python file that is shipped."""
    return sorted(path for root in ("libs", "services") for path in (REPOSITORY / root).glob("*/src/**/*.py"))


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def statements() -> list[Owned]:
    """Every statement of every service, of the client's transactional submission, and of the command line."""
    return list(_statements())


def _statements() -> Iterator[Owned]:
    for root in ("libs", "services"):
        for path in sorted((REPOSITORY / root).glob("*/src/**/*.sql")):
            if "migrations" not in path.parts:
                owner = _owner(path)
                for statement in parse_statements(path.read_text(encoding="utf-8"), source=relative(path)).values():
                    yield Owned(relative(path), owner, statement)


def _owner(path: Path) -> Owner | None:
    match path.relative_to(REPOSITORY).parts[:2]:
        case ("libs", "client"):
            return Owner.GATEWAY  # it inserts tasks in its user's own transaction: the gateway's part
        case ("libs", _):
            return None
        case (_, name):
            return Owner(name)
    raise AssertionError(path)
