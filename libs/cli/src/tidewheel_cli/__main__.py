"""The `tidewheel` command. Results go to stdout, messages to stderr; `failing.py` has the exit codes."""

import asyncio
import os
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tidewheel_cli import canary, dlq, executors, handlers, operations, queues, rules
from tidewheel_cli.demo.command import Target
from tidewheel_cli.demo.command import demo as run_demo
from tidewheel_cli.dev.command import dev as run_dev
from tidewheel_cli.dev.command import state_directory
from tidewheel_cli.dev.options import Options
from tidewheel_cli.doctor import command as doctor
from tidewheel_cli.failing import EXIT_CODES, Exit, sentences
from tidewheel_cli.keys import command as keys
from tidewheel_cli.schedules import command as schedules
from tidewheel_cli.session import Ca, Key, StateDir, Url
from tidewheel_cli.tasks import act, logs, read, submit

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, epilog=EXIT_CODES)
app.command()(submit.submit)
app.command()(read.get)
app.command(name="list")(read.list_tasks)
app.command()(logs.logs)
app.command()(act.cancel)
app.command()(act.redrive)
app.command()(canary.canary)
app.command()(doctor.doctor)
app.command(name="executors")(executors.list_executors)
app.command(name="handlers")(handlers.list_handlers)
app.add_typer(dlq.app, name="dlq")
app.add_typer(keys.app, name="keys")
app.add_typer(operations.app, name="operations")
app.add_typer(queues.app, name="queues")
app.add_typer(rules.app, name="rules")
app.add_typer(schedules.app, name="schedules")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidewheel {version('tidewheel-cli')}")
        raise typer.Exit


@app.callback()
def tidewheel(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
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
    url: Url = "",
    api_key: Key = "",
    ca: Ca = None,
    state_dir: StateDir = Path(".tidewheel"),
) -> None:
    """Submit one of each kind of task and show how it ends; on a stack of its own when none runs here."""
    target = Target(url, api_key, ca) if url else None
    with sentences():
        met = asyncio.run(run_demo(target=target, state_dir=state_dir, console=Console()))
    if not met:
        raise typer.Exit(Exit.FAILED)


@app.command()
def migrate(
    database_url: Annotated[str, typer.Option(envvar="TIDEWHEEL_DATABASE_URL", help="The database to migrate.")],
) -> None:
    """Bring the schema of a database up to date."""
    from tidewheel_cli.database import reachable  # noqa: PLC0415 - Alembic is slow to import, `dev` needs none of it
    from tidewheel_common.store.migrate import upgrade  # noqa: PLC0415 - as above

    with sentences(), reachable(database_url):
        asyncio.run(upgrade(database_url))


@app.command(name="check-migrations")
def check_migrations() -> None:
    """Check that the migrations make the schema that the code describes."""
    from tidewheel_cli.migrations import check_migrations as check  # noqa: PLC0415 - as above

    _run(check())


def _run(work: Coroutine[Any, Any, None]) -> None:
    with sentences():
        asyncio.run(work)


def _report(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
