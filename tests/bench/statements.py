"""What each statement costs PostgreSQL, as its own log says it: CPU time as the kernel counted it for that session."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.rig import REPOSITORY
from tests.support import wait_until

from tidewheel_common.store.sql import parse_statements

_PREFIX = "~%a~"
_ENTRY = re.compile(
    r"^~(?P<who>[^~\n]*)~LOG:  (?P<step>[A-Z ]+) STATISTICS\n"
    r".*?(?P<user>[\d.]+) s user, (?P<system>[\d.]+) s system, [\d.]+ s elapsed\n"
    r".*?^~[^~\n]*~STATEMENT:  (?P<text>.*?)(?=^~|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"\$\d+|(?<![:\w]):[a-z_]+")
_ONCE = {"QUERY", "EXECUTE MESSAGE"}
"""The steps of which each call has one; it may have `PARSE MESSAGE` and `BIND MESSAGE` besides."""
_LONGEST = 60


@dataclass(slots=True)
class Spent:
    """What the calls of one statement have taken together."""

    calls: int = 0
    seconds: float = 0.0


Costs = Mapping[tuple[str, str], Spent]
"""By who ran it and the name of the statement."""


@asynccontextmanager
async def told_by(database: Any, log: Path) -> AsyncIterator[dict[tuple[str, str], Spent]]:
    """Let PostgreSQL tell what each statement costs while the block runs; what it told is there after the block.

    Args:
        database: a session that may change the server's settings.
        log: where the server writes.
    """
    costs: dict[tuple[str, str], Spent] = {}
    before = log.stat().st_size
    await _set(database, log_line_prefix=f"'{_PREFIX}'", log_statement_stats="on")
    try:
        yield costs
    finally:
        await _set(database, log_line_prefix="DEFAULT", log_statement_stats="DEFAULT")
    with log.open(encoding="utf-8", errors="replace") as told:
        told.seek(before)
        costs.update(counted(told.read(), named()))


def counted(told: str, names: Mapping[str, str]) -> dict[tuple[str, str], Spent]:
    """Sum up what a log tells; statements that have no name keep their first words."""
    found: dict[tuple[str, str], Spent] = defaultdict(Spent)
    for entry in _ENTRY.finditer(told):
        text = _bare(entry["text"])
        spent = found[entry["who"], names.get(text, text[:_LONGEST])]
        spent.calls += entry["step"] in _ONCE
        spent.seconds += float(entry["user"]) + float(entry["system"])
    return dict(found)


def named(files: Iterable[Path] | None = None) -> dict[str, str]:
    """Return the names of our statements by what PostgreSQL sees of them."""
    sources = REPOSITORY.glob("services/*/src/*/*.sql") if files is None else files
    statements = (parse_statements(path.read_text(encoding="utf-8"), source=path.name) for path in sources)
    return {_bare(each.sql): each.name for file in statements for each in file.values()}


def _bare(sql: str) -> str:
    """Return a statement without what differs between a file and the wire."""
    return " ".join(_PLACEHOLDER.sub("?", sql).split()).removesuffix(";")


async def _set(database: Any, **settings: str) -> None:
    """Change settings of the server, and wait until new statements see them."""
    for name, value in settings.items():
        await database.execute(f"ALTER SYSTEM SET {name} = {value}")
    loaded = await database.fetchval("SELECT pg_conf_load_time()")
    await database.execute("SELECT pg_reload_conf()")

    async def reloaded() -> bool:
        return bool(await database.fetchval("SELECT pg_conf_load_time() > $1", loaded))

    await wait_until(reloaded, what="the new settings of PostgreSQL")
