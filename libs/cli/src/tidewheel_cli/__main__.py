"""The `tidewheel` command. Results go to stdout, messages to stderr.

Exit codes: 0 done, 1 the demo did not end as it should, 2 it could not be done as asked; the message says why. Those of
`schedules plan` and `apply` stand in `schedules/command.py`.
"""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tidewheel_cli.demo.command import Target
from tidewheel_cli.demo.command import demo as run_demo
from tidewheel_cli.dev.command import dev as run_dev
from tidewheel_cli.dev.command import state_directory
from tidewheel_cli.dev.options import Options
from tidewheel_cli.schedules.command import app as schedules
from tidewheel_common.core.errors import TidewheelError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(schedules, name="schedules")


@app.callback()
def tidewheel() -> None:
    """Tidewheel, a distributed task scheduling service."""


@app.command()
def dev(
    *,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Delete the state at the end.")] = False,
    state_dir: Annotated[Path, typer.Option(help="Where data, secrets and logs live.")] = Path(".tidewheel"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0 for any free one.")] = 8080,
    handlers: Annotated[str, typer.Option(help="Modules with handlers, comma-separated, besides the demo's.")] = "",
) -> None:
    """Start everything on this machine: servers, schema and all five services."""
    environment = dict(os.environ)  # noqa: TID251 - the processes of the stack inherit it
    with state_directory(state_dir, ephemeral=ephemeral) as directory:
        options = Options(state_dir=directory, port=port, handlers=handlers, environment=environment)
        _run(run_dev(options, say=typer.echo, report=_report))


@app.command()
def demo(
    *,
    url: Annotated[str, typer.Option(envvar="TIDEWHEEL_URL", help="A gateway, to use it instead.")] = "",
    api_key: Annotated[str, typer.Option(envvar="TIDEWHEEL_API_KEY", help="The key to that gateway.")] = "",
    state_dir: Annotated[Path, typer.Option(help="Where a running stack keeps its state.")] = Path(".tidewheel"),
) -> None:
    """Submit one of each kind of task and show how it ends; on a stack of its own when none runs here."""
    target = Target(url, api_key) if url else None
    if not asyncio.run(run_demo(target=target, state_dir=state_dir, console=Console())):
        raise typer.Exit(1)


@app.command()
def migrate(
    database_url: Annotated[str, typer.Option(envvar="TIDEWHEEL_DATABASE_URL", help="The database to migrate.")],
) -> None:
    """Bring the schema of a database up to date."""
    from tidewheel_common.store.migrate import upgrade  # noqa: PLC0415 - Alembic is slow to import, `dev` needs none of it

    _run(upgrade(database_url))


@app.command(name="check-migrations")
def check_migrations() -> None:
    """Check that the migrations make the schema that the code describes."""
    from tidewheel_cli.migrations import check_migrations as check  # noqa: PLC0415 - as above

    _run(check())


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except TidewheelError as error:
        _report(str(error))
        raise typer.Exit(2) from None


def _report(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
