"""`tidewheel queues`: look at queues, limit them, hold them back and let them go."""

from datetime import datetime
from typing import Annotated

import typer

from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import moment, print_line, print_object, print_table
from tidewheel_cli.times import parse_instant
from tidewheel_client.models import Queue
from tidewheel_client.options import QueueLimits

app = typer.Typer(no_args_is_help=True, help="Look at queues, hold them back and let them go.")

Name = Annotated[str, typer.Argument(help="The name of a queue.")]
Until = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Resume by itself at a time.")
]

Rate = Annotated[float | None, typer.Option(min=0, help="Tasks a second that may start, such as 0.5.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Tasks that may run at once.")]
NoRate = Annotated[bool, typer.Option("--no-rate", help="Lift the limit to the rate.")]
NoConcurrency = Annotated[bool, typer.Option("--no-concurrency", help="Lift the limit to how many run at once.")]

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
        print_table(_COLUMNS, map(_row, found), empty="No queue has open tasks of yours, a limit or a pause.")


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


@app.command()
@in_session
def limit(
    session: Session,
    name: Name,
    *,
    rate: Rate = None,
    concurrency: Concurrency = None,
    no_rate: NoRate = False,
    no_concurrency: NoConcurrency = False,
) -> None:
    """Limit how fast a queue's tasks start, and how many run at once; what is not given stays as it is."""
    if (rate is not None and no_rate) or (concurrency is not None and no_concurrency):
        raise typer.BadParameter("Give a limit or lift it, not both.")
    limits: QueueLimits = {}
    if rate is not None or no_rate:
        limits["rate"] = rate
    if concurrency is not None or no_concurrency:
        limits["concurrency"] = concurrency
    if not limits:
        raise typer.BadParameter("Give --rate or --concurrency, or lift one with --no-rate or --no-concurrency.")
    with session.client() as client:
        limited = client.queues.limit(name, **limits)
    if session.json:
        print_object(limited)
    else:
        speed = "at any rate" if limited.rate is None else f"at most {limited.rate:g} a second"
        room = "any number" if limited.concurrency is None else f"at most {limited.concurrency}"
        typer.echo(f"{name} starts tasks {speed}, {room} at once.")


def _row(queue: Queue) -> tuple[object, ...]:
    oldest = None if queue.oldest_seconds is None else f"{queue.oldest_seconds:.1f} s"
    counts = (queue.ready, queue.waiting, queue.queued, queue.running)
    return queue.name, *counts, oldest, queue.rate, queue.concurrency, _pause(queue)


def _pause(queue: Queue) -> str:
    if not queue.paused:
        return ""
    return "yes" if queue.paused_until is None else f"until {moment(queue.paused_until)}"
