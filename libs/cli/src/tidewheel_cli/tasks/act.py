"""`tidewheel cancel` and `redrive`."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import track

from tidewheel_cli.failing import Exit, exit_code, sentence
from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import messages, print_line
from tidewheel_cli.tasks.payload import read_payload
from tidewheel_client import ApiError, Task

TaskIds = Annotated[list[UUID], typer.Argument(help="The ids of tasks.", metavar="ID...")]

NewPayload = Annotated[
    str | None, typer.Option("--payload", help="Instead of what they carry: a JSON object, @FILE, or - for stdin.")
]


@in_session
def cancel(session: Session, task_ids: TaskIds, *, yes: Yes = False) -> None:
    """Cancel tasks; one that runs already is asked to stop."""
    confirm(f"Cancel {_counted(task_ids)}?", yes=yes)
    with session.client() as client:
        _each(session, task_ids, client.tasks.cancel, "Cancelling")


@in_session
def redrive(session: Session, task_ids: TaskIds, *, payload: NewPayload = None) -> None:
    """Give dead, cancelled or expired tasks a fresh start, with another payload if one is given."""
    arguments = None if payload is None else read_payload(payload)
    with session.client() as client:
        _each(session, task_ids, lambda task_id: client.tasks.redrive(task_id, payload=arguments), "Redriving")


def _each(session: Session, task_ids: list[UUID], act: Callable[[UUID], Task], doing: str) -> None:
    """Act on each task; one that is refused does not keep the others from it.

    Raises:
        typer.Exit: some were refused, with the code of the first.
    """
    worst: Exit | None = None
    watched = len(task_ids) > 1 and not session.json
    for task_id in track(task_ids, doing, console=messages(), disable=not watched, transient=True):
        try:
            task = act(task_id)
        except ApiError as error:
            typer.echo(f"{task_id}: {sentence(error)}", err=True)
            worst = worst or exit_code(error)
            continue
        if session.json:
            print_line(task)
        else:
            typer.echo(f"{task_id} is {_standing(task)}")
    if worst is not None:
        raise typer.Exit(worst)


def _standing(task: Task) -> str:
    return f"{task.state}, and asked to stop" if task.cancel_requested_at and not task.final else task.state


def _counted(task_ids: list[UUID]) -> str:
    return f"the task {task_ids[0]}" if len(task_ids) == 1 else f"{len(task_ids)} tasks"
