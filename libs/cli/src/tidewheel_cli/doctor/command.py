"""`tidewheel doctor`."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.text import Text

from tidewheel_cli.doctor.finding import Finding, Verdict
from tidewheel_cli.doctor.service import look_at_service
from tidewheel_cli.failing import Exit
from tidewheel_cli.session import DatabaseUrl, Session, in_session
from tidewheel_cli.show import console, print_line, printable

RedisUrl = Annotated[
    str, typer.Option(envvar="TIDEWHEEL_REDIS_URL", help="Redis; without one, that of the stack here.")
]

_MARKS: Final = {
    Verdict.GOOD: ("✔", "green"),
    Verdict.DOUBTFUL: ("?", "yellow"),
    Verdict.BAD: ("✘", "bold red"),
    Verdict.SKIPPED: ("-", "dim"),
}


@in_session
def doctor(session: Session, *, database_url: DatabaseUrl = "", redis_url: RedisUrl = "") -> None:
    """Look at every part that can be reached from here, and say what to do; exits 1 when something is bad."""
    findings = []
    for finding in _look(session, database_url, redis_url):
        findings.append(finding)
        if session.json:
            print_line(asdict(finding))
        else:
            mark, style = _MARKS[finding.verdict]
            line = Text(f"{mark} {finding.part:<10} ", style=style).append(printable(finding.said), style="default")
            console().print(line, soft_wrap=True)
    if any(each.verdict is Verdict.BAD for each in findings):
        raise typer.Exit(Exit.FAILED)


def _look(session: Session, database_url: str, redis_url: str) -> Iterator[Finding]:
    from tidewheel_cli.doctor.stores import (  # noqa: PLC0415 - SQLAlchemy and Redis are slow to import
        look_at_database,
        look_at_redis,
    )

    yield from look_at_service(session)
    # Whoever names a gateway elsewhere does not mean the stores of the stack here.
    stack = None if session.url else session.stack()
    database_url = database_url or (stack.database_url if stack else "")
    redis_url = redis_url or (stack.redis_url if stack else "")
    if database_url:
        yield from asyncio.run(look_at_database(database_url, _clock_here))
    else:
        yield _skipped("database", "--database-url")
    yield asyncio.run(look_at_redis(redis_url)) if redis_url else _skipped("redis", "--redis-url")


def _clock_here() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - it is what is looked at


def _skipped(part: str, option: str) -> Finding:
    return Finding(part=part, verdict=Verdict.SKIPPED, said=f"Not looked at: give {option} where it can be reached.")
