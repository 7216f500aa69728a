"""One action on all tasks that a filter means: counted, asked for, and followed to its end."""

from typing import Annotated, Any

import typer
from rich.progress import Progress

from tidewheel_cli.failing import Exit
from tidewheel_cli.pacing import pause
from tidewheel_cli.session import Session, confirm
from tidewheel_cli.show import messages, print_object
from tidewheel_client import Client
from tidewheel_client.models import Operation

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]


def carry_out(
    session: Session,
    action: str,
    wanted: dict[str, Any],
    *,
    noun: str,
    dry_run: bool,
    yes: bool,
    priority: str | None = None,
) -> None:
    """Count what is meant, ask, and follow the operation to its end.

    Raises:
        typer.Exit: some tasks could not be changed.
    """
    with session.client() as client:
        operation = client.tasks.start_operation(action, wanted, priority=priority, dry_run=True)
        if not dry_run:
            confirm(f"{action.capitalize()} {_counted(operation.counted, noun)}?", yes=yes)
            operation = followed(session, client, client.tasks.start_operation(action, wanted, priority=priority))
    if session.json:
        print_object(operation)
    elif dry_run:
        typer.echo(f"{_counted(operation.counted, noun)} {'is' if operation.counted == 1 else 'are'} meant.")
    else:
        typer.echo(f"{action}: {operation.done} done, {operation.failed} could not be changed.")
    if operation.failed:
        raise typer.Exit(Exit.FAILED)


def followed(session: Session, client: Client, operation: Operation) -> Operation:
    """Return an operation once it is over; a person sees how far it is."""
    watched = messages()
    with Progress(console=watched, transient=True, disable=session.json or not watched.is_terminal) as progress:
        bar = progress.add_task(operation.action, total=operation.counted)
        while operation.finished_at is None:
            progress.update(bar, completed=operation.done + operation.failed)
            pause()
            operation = client.tasks.operation(operation)
    return operation


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
