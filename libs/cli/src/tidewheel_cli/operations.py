"""`tidewheel operations`: one action on many tasks."""

from itertools import islice
from typing import Annotated, Literal
from uuid import UUID

import typer
from pydantic_core import to_json

from tidewheel_cli.bulk import DryRun, carry_out, followed
from tidewheel_cli.session import Session, Yes, in_session
from tidewheel_cli.show import moment, print_line, print_object, print_table, printable
from tidewheel_cli.tasks.read import After, Before, Limit, Schedule, States, Word, narrowed, page_size
from tidewheel_client.models import Operation
from tidewheel_client.options import Priority

app = typer.Typer(no_args_is_help=True, help="Bulk operations: one action on all tasks that a filter means.")

Action = Annotated[
    Literal["cancel", "redrive", "delete", "reprioritise"], typer.Argument(help="What is done to each task.")
]
OperationId = Annotated[UUID, typer.Argument(help="The id of an operation.", metavar="ID")]
NewPriority = Annotated[Priority | None, typer.Option("--to", help="The new priority, to reprioritise.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")]
All = Annotated[bool, typer.Option("--all", help="Mean every task that the action can change.")]

_COLUMNS = ("id", "action", "filter", "meant", "done", "failed", "begun", "over")


@app.command(name="list")
@in_session
def list_operations(session: Session, *, limit: Limit = 20) -> None:
    """List the operations, the newest first."""
    with session.client() as client:
        found = list(islice(client.tasks.operations(limit=page_size(limit)), limit or None))
    if session.json:
        for operation in found:
            print_line(operation)
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no operations.")


@app.command()
@in_session
def get(session: Session, operation_id: OperationId, *, follow: Follow = False) -> None:
    """Show how far an operation is."""
    with session.client() as client:
        found = client.tasks.operation(operation_id)
        if follow:
            found = followed(session, client, found)
    if session.json:
        print_object(found)
        return
    how = "over" if found.finished_at else "under way"
    counts = f"{found.done} of {found.counted} done, {found.failed} could not be changed"
    typer.echo(f"{found.action} {printable(to_json(found.filter).decode())}: {how}; {counts}.")


@app.command()
@in_session
def create(
    session: Session,
    action: Action,
    *,
    states: States = None,
    queue: Word = None,
    handler: Word = None,
    tag: Word = None,
    error_type: Word = None,
    reason: Word = None,
    schedule: Schedule = None,
    created_after: After = None,
    created_before: Before = None,
    every: All = False,
    priority: NewPriority = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Cancel, redrive, delete or reprioritise all tasks that are meant; asks with their number first."""
    wanted = narrowed(
        state=states,
        queue=queue,
        handler=handler,
        tag=tag,
        error_type=error_type,
        reason=reason,
        schedule=schedule,
        created_after=created_after,
        created_before=created_before,
    )
    if not wanted and not every:
        raise typer.BadParameter("Say which tasks are meant, such as --state waiting --queue reports, or give --all.")
    carry_out(session, action, dict(wanted), noun="task", dry_run=dry_run, yes=yes, priority=priority)


def _row(operation: Operation) -> tuple[object, ...]:
    return (
        operation.id,
        f"{operation.action} (dry run)" if operation.dry_run else operation.action,
        printable(to_json(operation.filter).decode()),
        operation.counted,
        operation.done,
        operation.failed,
        moment(operation.created_at),
        "" if operation.finished_at is None else moment(operation.finished_at),
    )
