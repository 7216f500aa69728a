"""`tidewheel schedules plan` and `apply`.

Exit codes of `plan`: 0 the service agrees with the file, 3 there is something to do, 1 names are in conflict.
Of `apply`: 0 it agrees now, 1 a step was refused or names are in conflict. Of both: those of every command.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tidewheel_cli.failing import Exit
from tidewheel_cli.schedules import act, look
from tidewheel_cli.schedules.apply import apply_plan
from tidewheel_cli.schedules.file import ScheduleFile, read_file
from tidewheel_cli.schedules.plan import Plan, make_plan
from tidewheel_cli.schedules.service import explain_rules, find_schedules
from tidewheel_cli.schedules.show import as_json, print_plan, print_result
from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import print_object
from tidewheel_client import AsyncClient

DIFFERENT: Final = 3

app = typer.Typer(
    no_args_is_help=True, help="Look at schedules, act on them; keep them in a file, under version control."
)
app.command(name="list")(look.list_schedules)
app.command()(act.get)
app.command()(act.create)
app.command()(act.pause)
app.command()(act.resume)
app.command()(act.trigger)
app.command()(act.backfill)
app.command(name="skip-next")(act.skip_next)
app.command()(act.delete)
app.command()(look.preview)

File = Annotated[Path, typer.Argument(help="A schedules.yaml.")]
Delete = Annotated[bool, typer.Option("--delete", help="Delete what is gone from the file; else it is paused.")]


@app.command(name="plan")
@in_session
def plan_command(session: Session, file: File, *, delete: Delete = False) -> None:
    """Show what `apply` would do: exits 0 for nothing, 3 for something, 1 when names are in conflict."""
    raise typer.Exit(asyncio.run(_plan(session, file, delete=delete)))


@app.command(name="apply")
@in_session
def apply_command(session: Session, file: File, *, delete: Delete = False) -> None:
    """Make the service agree with the file. Exits 1 when a step was refused or names are in conflict."""
    raise typer.Exit(asyncio.run(_apply(session, file, delete=delete)))


async def _plan(session: Session, path: Path, *, delete: bool) -> int:
    async with session.async_client() as client:
        _, plan, words = await _look(client, path, delete=delete)
    if session.json:
        print_object(as_json(plan, words))
    else:
        print_plan(Console(), plan, words)
    if plan.conflicts:
        return Exit.FAILED
    return DIFFERENT if plan.steps else Exit.DONE


async def _apply(session: Session, path: Path, *, delete: bool) -> int:
    console = Console(quiet=session.json)
    async with session.async_client() as client:
        file, plan, words = await _look(client, path, delete=delete)
        print_plan(console, plan, words)
        results = await apply_plan(client, file, plan, tell=lambda result: print_result(console, result))
    if session.json:
        print_object(as_json(plan, words, results))
    return Exit.FAILED if plan.conflicts or any(each.refused for each in results) else Exit.DONE


async def _look(client: AsyncClient, path: Path, *, delete: bool) -> tuple[ScheduleFile, Plan, dict[str, str]]:
    file = read_file(path)
    plan = make_plan(file, await find_schedules(client, file), delete=delete)
    return file, plan, await explain_rules(client, file, plan)
