"""`tidewheel queues`: look at queues, hold them back and let them go."""

from datetime import datetime
from typing import Annotated

import typer

from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import moment, print_line, print_object, print_table
from tidewheel_cli.times import parse_instant
from tidewheel_client.models import Queue

app = typer.Typer(no_args_is_help=True, help="Look at queues, hold them back and let them go.")

Name = Annotated[str, typer.Argument(help="The name of a queue.")]
Until = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Resume by itself at a time.")
]

_COLUMNS = ("queue", "ready", "waiting", "queued", "running", "oldest", "rate", "at once", "paused")


@app.command(name="list")
@in_session
def list_queues(session: Session) -> None:
    """List the queues: how much waits in each, and what keeps it back."""
    with session.client() as client:
        found = client.queues.list()
    if session.json:
        for queue in found:
            print_line(queue)
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no queues yet.")


@app.command()
@in_session
def pause(session: Session, name: Name, *, until: Until = None, yes: Yes = False) -> None:
    """Keep a queue's tasks from starting; those that run go on."""
    confirm(f"Pause the queue {name} for everybody?", yes=yes)
    with session.client() as client:
        paused = client.queues.pause(name, until=until)
    if session.json:
        print_object(paused)
    else:
        typer.echo(f"{name} is paused{'' if until is None else f' until {moment(until)}'}.")


@app.command()
@in_session
def resume(session: Session, name: Name) -> None:
    """Let a queue's tasks start again."""
    with session.client() as client:
        resumed = client.queues.resume(name)
    if session.json:
        print_object(resumed)
    else:
        typer.echo(f"{name} is not paused.")


def _row(queue: Queue) -> tuple[object, ...]:
    oldest = None if queue.oldest_seconds is None else f"{queue.oldest_seconds:.1f} s"
    counts = (queue.ready, queue.waiting, queue.queued, queue.running)
    return queue.name, *counts, oldest, queue.rate, queue.concurrency, _pause(queue)


def _pause(queue: Queue) -> str:
    if not queue.paused:
        return ""
    return "yes" if queue.paused_until is None else f"until {moment(queue.paused_until)}"
