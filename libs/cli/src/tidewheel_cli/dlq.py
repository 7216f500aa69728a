"""`tidewheel dlq`: the dead letters, tasks that have failed for good."""

from typing import Annotated

import typer

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.tasks.read import Limit, show_tasks
from tidewheel_client.options import TaskFilter

app = typer.Typer(no_args_is_help=True, help="Look at dead letters: tasks that have failed for good.")

Only = Annotated[str | None, typer.Option(help="Only with this one.")]


@app.command(name="list")
@in_session
def list_dead(session: Session, *, queue: Only = None, handler: Only = None, limit: Limit = 50) -> None:
    """List dead tasks, the newest first; `tidewheel redrive` gives them a fresh start."""
    given: TaskFilter = {"state": "dead"}
    if queue:
        given["queue"] = queue
    if handler:
        given["handler"] = handler
    with session.client() as client:
        show_tasks(session, client.tasks.list(**given), limit)
