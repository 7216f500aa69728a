"""`tidewheel submit`."""

import contextlib
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import console, messages, print_object, printable
from tidewheel_cli.tasks.payload import read_payload
from tidewheel_cli.times import parse_duration, parse_instant
from tidewheel_client import Client, StillRunning, Task, TaskFailed, TaskHandle
from tidewheel_client.options import Priority, TaskOptions

Handler = Annotated[str, typer.Argument(help="The name of the handler.")]
Payload = Annotated[str, typer.Argument(help="Its arguments: a JSON object, @FILE, or - for stdin.")]
Queue = Annotated[str, typer.Option(help="Where it waits.")]
PriorityOption = Annotated[Priority, typer.Option(help="How urgent it is in its queue.")]
Delay = Annotated[
    float | None, typer.Option(parser=parse_duration, metavar="DURATION", help="Run after so long: 90, 90s, 1h30m.")
]
At = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Run at a time with an offset.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end and print the result; exits 1 if it failed.")]
WaitTimeout = Annotated[
    float | None, typer.Option(parser=parse_duration, metavar="DURATION", help="Wait no longer; exits 7 then.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag to find it by; may be repeated.")]
MaxAttempts = Annotated[int | None, typer.Option(min=1, help="How often it is tried.")]
Timeout = Annotated[
    float | None, typer.Option(parser=parse_duration, metavar="DURATION", help="How long one attempt may take.")
]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="The same key gives the same task, however often it is submitted.")
]

_PATIENCE = 3.0
"""Seconds; what has not ended by then is said to wait for something."""


@in_session
def submit(
    session: Session,
    handler: Handler,
    payload: Payload = "{}",
    *,
    queue: Queue = "default",
    priority: PriorityOption = "medium",
    delay: Delay = None,
    at: At = None,
    tags: Tags = None,
    max_attempts: MaxAttempts = None,
    timeout: Timeout = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    wait_timeout: WaitTimeout = None,
) -> None:
    """Submit a task and print its id; with --wait, what it returned."""
    if delay is not None and at is not None:
        raise typer.BadParameter("Give --delay or --at, not both.")
    arguments = read_payload(payload)
    options: TaskOptions = {"queue": queue, "priority": priority, "tags": tags or []}
    if at is not None:
        options["run_at"] = at
    if delay is not None:
        options["delay"] = delay
    if max_attempts is not None:
        options["max_attempts"] = max_attempts
    if timeout is not None:
        options["timeout"] = timeout
    with session.client() as client:
        handle = client.submit(handler, arguments, idempotency_key=idempotency_key, **options)
        if wait or wait_timeout is not None:
            _show_end(session, _wait(client, handle, wait_timeout))
        else:
            _show_accepted(session, handle)


def _wait(client: Client, handle: TaskHandle, timeout: float | None) -> Task:
    with messages().status(Text(f"Waiting for {handle.id}; Ctrl-C leaves it running.")):
        if timeout is None or timeout > _PATIENCE:
            with contextlib.suppress(StillRunning):
                return handle.wait(_PATIENCE)
            typer.echo(f"{handle.id}: {printable(client.tasks.explain(handle.id).summary)}", err=True)
            timeout = None if timeout is None else timeout - _PATIENCE
        return handle.wait(timeout)


def _show_accepted(session: Session, handle: TaskHandle) -> None:
    if session.json:
        print_object(handle.task)
    else:
        console().print(str(handle.id))


def _show_end(session: Session, task: Task) -> None:
    if session.json:
        print_object(task)
    elif task.state == "complete":
        print_object(task.result)
    if task.state != "complete":
        raise TaskFailed(task)
