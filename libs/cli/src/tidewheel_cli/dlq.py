"""`tidewheel dlq`: the dead letters, tasks that have failed for good."""

from typing import Annotated, Any

import typer
from rich.progress import Progress

from tidewheel_cli.failing import Exit
from tidewheel_cli.pacing import pause
from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import messages, print_line, print_object, print_table
from tidewheel_cli.tasks.read import Limit, Word, narrowed, page_size, show_tasks
from tidewheel_client import Client
from tidewheel_client.models import DeadLetters, Operation

app = typer.Typer(no_args_is_help=True, help="Dead letters: tasks that have failed for good.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]

_COLUMNS = ("count", "handler", "error", "reason", "first", "last", "latest task")


@app.command(name="list")
@in_session
def list_groups(session: Session) -> None:
    """List dead letters by handler, error and reason, the most frequent first."""
    with session.client() as client:
        found = list(client.tasks.dead_letters())
    if session.json:
        for each in found:
            print_line(each)
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no dead letters.")


@app.command()
@in_session
def tasks(
    session: Session,
    *,
    queue: Word = None,
    handler: Word = None,
    error_type: Word = None,
    reason: Word = None,
    limit: Limit = 50,
) -> None:
    """List the dead tasks themselves, the newest first."""
    wanted = narrowed(
        state="dead", queue=queue, handler=handler, error_type=error_type, reason=reason, limit=page_size(limit)
    )
    with session.client() as client:
        show_tasks(session, client.tasks.list(**wanted), limit)


@app.command()
@in_session
def redrive(
    session: Session,
    *,
    queue: Word = None,
    handler: Word = None,
    error_type: Word = None,
    reason: Word = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give all dead tasks that are meant a fresh start; asks with their number first."""
    wanted = narrowed(queue=queue, handler=handler, error_type=error_type, reason=reason)
    _act(session, "redrive", {**wanted, "state": ["dead"]}, dry_run=dry_run, yes=yes)


@app.command()
@in_session
def delete(
    session: Session,
    *,
    queue: Word = None,
    handler: Word = None,
    error_type: Word = None,
    reason: Word = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete all dead tasks that are meant; asks with their number first."""
    wanted = narrowed(queue=queue, handler=handler, error_type=error_type, reason=reason)
    _act(session, "delete", {**wanted, "state": ["dead"]}, dry_run=dry_run, yes=yes)


def _act(session: Session, action: str, wanted: dict[str, Any], *, dry_run: bool, yes: bool) -> None:
    """Count what is meant, ask, and follow the operation to its end.

    Raises:
        typer.Exit: some tasks could not be changed.
    """
    with session.client() as client:
        operation = client.tasks.start_operation(action, wanted, dry_run=True)
        if not dry_run:
            confirm(f"{action.capitalize()} {operation.counted} dead tasks?", yes=yes)
            operation = _followed(client, client.tasks.start_operation(action, wanted))
    if session.json:
        print_object(operation)
    elif dry_run:
        typer.echo(f"{operation.counted} dead tasks are meant.")
    else:
        typer.echo(f"{action}: {operation.done} done, {operation.failed} could not be changed.")
    if operation.failed:
        raise typer.Exit(Exit.FAILED)


def _followed(client: Client, operation: Operation) -> Operation:
    with Progress(console=messages(), transient=True) as progress:
        bar = progress.add_task(operation.action, total=operation.counted)
        while operation.finished_at is None:
            pause()
            operation = client.tasks.operation(operation)
            progress.update(bar, completed=operation.done + operation.failed)
    return operation


def _row(group: DeadLetters) -> tuple[object, ...]:
    why = group.handler, group.error_type, group.reason
    return group.count, *why, group.first_at, group.last_at, str(group.latest_task_id)
