"""`tidewheel operations`: one action on many tasks."""

from typing import Annotated, Literal
from uuid import UUID

import typer
from pydantic_core import to_json

from tidewheel_cli.bulk import DryRun, carry_out, followed
from tidewheel_cli.session import Session, Yes, in_session
from tidewheel_cli.show import print_object, printable
from tidewheel_cli.tasks.read import After, Before, Schedule, States, Word, narrowed
from tidewheel_client.options import Priority

app = typer.Typer(no_args_is_help=True, help="Bulk operations: one action on all tasks that a filter means.")

Action = Annotated[
    Literal["cancel", "redrive", "delete", "reprioritise"], typer.Argument(help="What is done to each task.")
]
OperationId = Annotated[UUID, typer.Argument(help="The id of an operation.", metavar="ID")]
NewPriority = Annotated[Priority | None, typer.Option("--to", help="The new priority, to reprioritise.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")]
All = Annotated[bool, typer.Option("--all", help="Mean every task that the action can change.")]


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
