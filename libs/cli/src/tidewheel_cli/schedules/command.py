"""`tidewheel schedules plan` and `apply`.

Exit codes of `plan`: 0 the service agrees with the file, 3 there is something to do, 1 names are in conflict.
Of `apply`: 0 it agrees now, 1 a step was refused or names are in conflict. Of both: 2 it could not be done as asked.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tidewheel_cli.dev.address import read_stack
from tidewheel_cli.schedules.apply import apply_plan
from tidewheel_cli.schedules.file import ScheduleFile, read_file
from tidewheel_cli.schedules.plan import Plan, make_plan
from tidewheel_cli.schedules.service import explain_rules, find_schedules
from tidewheel_cli.schedules.show import as_json, print_plan, print_result
from tidewheel_client import AsyncClient, ClientError
from tidewheel_common.core.errors import Misconfigured, TidewheelError

REFUSED = 1
IMPOSSIBLE = 2
DIFFERENT = 3

app = typer.Typer(no_args_is_help=True, help="Keep schedules in a file, under version control.")

File = Annotated[Path, typer.Argument(help="A schedules.yaml.")]
Url = Annotated[str, typer.Option(envvar="TIDEWHEEL_URL", help="The gateway; without one, the stack that runs here.")]
Key = Annotated[str, typer.Option(envvar="TIDEWHEEL_API_KEY", help="The key to that gateway.")]
StateDir = Annotated[Path, typer.Option(help="Where a running stack keeps its state.")]
Delete = Annotated[bool, typer.Option("--delete", help="Delete what is gone from the file; else it is paused.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What was asked for on the command line."""

    path: Path
    delete: bool
    json: bool
    url: str
    api_key: str
    state_dir: Path

    def client(self) -> AsyncClient:
        """Return a client of the gateway that is meant."""
        if self.url:
            return AsyncClient(self.url, self.api_key)
        stack = read_stack(self.state_dir)
        if stack is None:
            raise Misconfigured("No gateway is named and no stack runs here. Give --url and --api-key, or `make up`.")
        return AsyncClient(stack.api_url, stack.api_key)


@app.command(name="plan")
def plan_command(
    file: File,
    *,
    delete: Delete = False,
    json_: Json = False,
    url: Url = "",
    api_key: Key = "",
    state_dir: StateDir = Path(".tidewheel"),
) -> None:
    """Show what `apply` would do: exits 0 for nothing, 3 for something, 1 when names are in conflict."""
    call = _Call(path=file, delete=delete, json=json_, url=url, api_key=api_key, state_dir=state_dir)
    raise typer.Exit(_run(_plan(call)))


@app.command(name="apply")
def apply_command(
    file: File,
    *,
    delete: Delete = False,
    json_: Json = False,
    url: Url = "",
    api_key: Key = "",
    state_dir: StateDir = Path(".tidewheel"),
) -> None:
    """Make the service agree with the file. Exits 1 when a step was refused or names are in conflict."""
    call = _Call(path=file, delete=delete, json=json_, url=url, api_key=api_key, state_dir=state_dir)
    raise typer.Exit(_run(_apply(call)))


async def _plan(call: _Call) -> int:
    async with call.client() as client:
        _, plan, words = await _look(call, client)
    if call.json:
        _print_json(as_json(plan, words))
    else:
        print_plan(Console(), plan, words)
    if plan.conflicts:
        return REFUSED
    return DIFFERENT if plan.steps else 0


async def _apply(call: _Call) -> int:
    console = Console(quiet=call.json)
    async with call.client() as client:
        file, plan, words = await _look(call, client)
        print_plan(console, plan, words)
        results = await apply_plan(client, file, plan, tell=lambda result: print_result(console, result))
    if call.json:
        _print_json(as_json(plan, words, results))
    return REFUSED if plan.conflicts or any(each.refused for each in results) else 0


async def _look(call: _Call, client: AsyncClient) -> tuple[ScheduleFile, Plan, dict[str, str]]:
    file = read_file(call.path)
    plan = make_plan(file, await find_schedules(client, file), delete=call.delete)
    return file, plan, await explain_rules(client, file, plan)


def _run(work: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(work)
    except (TidewheelError, ClientError) as error:
        typer.echo(str(error), err=True)
        return IMPOSSIBLE


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
