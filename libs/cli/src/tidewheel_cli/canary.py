"""`tidewheel canary`: one task through everything, for a CronJob or a person in doubt."""

import contextlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from tidewheel_cli.failing import TooLate
from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import messages, print_object
from tidewheel_cli.tasks.payload import read_payload
from tidewheel_cli.tasks.submit import Payload, PriorityOption, Queue
from tidewheel_cli.times import parse_duration
from tidewheel_client import ApiError, Client, StillRunning, Task, TaskFailed, TaskHandle

Handler = Annotated[str, typer.Option(help="A handler that an executor serves; it is called with PAYLOAD.")]
Within = Annotated[
    float, typer.Option(parser=parse_duration, metavar="DURATION", help="Be back within; exits 7 if not.")
]

_KEPT = 60.0
"""Seconds after which a canary that is back is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """How long the parts of a canary's way took.

    Attributes:
        seconds: all of it, as this machine saw it.
        accepting: until the gateway had answered.
        waiting: from there until a handler started; running: until it returned. Both by the service's clock.
    """

    seconds: float
    accepting: float
    waiting: float | None
    running: float | None


@in_session
def canary(
    session: Session,
    payload: Payload = "{}",
    *,
    handler: Handler = "tidewheel.canary",
    queue: Queue = "default",
    priority: PriorityOption = "medium",
    within: Within = 30.0,
) -> None:
    """Send one task through everything and say how long it took; 0 only when it came back complete in time.

    Every executor serves `tidewheel.canary`. Name the queue of executors that do not serve `default`.
    """
    arguments = read_payload(payload)
    began = time.monotonic()
    with session.client() as client, messages().status("The canary is on its way."):
        handle = client.submit(
            handler, arguments, queue=queue, priority=priority, max_attempts=1, removal_delay=_KEPT, tags=["canary"]
        )
        accepted = time.monotonic()
        task = _until_back(client, handle, within - (accepted - began), handler)
    trip = Trip(
        seconds=time.monotonic() - began,
        accepting=accepted - began,
        waiting=_between(task.created_at, task.started_at),
        running=_between(task.started_at, task.finished_at),
    )
    if session.json:
        print_object(_document(task, trip))
    if task.state != "complete":
        raise TaskFailed(task)
    if not session.json:
        typer.echo(_told(trip))


def _until_back(client: Client, handle: TaskHandle, patience: float, handler: str) -> Task:
    """Wait for the canary; one that is late is cancelled.

    Raises:
        StillRunning: it was late.
        TooLate: it was late because no executor serves its handler.
    """
    try:
        return handle.wait(max(0.0, patience))
    except StillRunning:
        with contextlib.suppress(ApiError):
            handle.cancel()
        if not any(handler in each.handlers for each in client.executors.list()):
            raise TooLate(
                f"The canary is not back: no live executor serves {handler!r}. Start one, or name another --handler."
            ) from None
        raise


def _between(first: datetime | None, last: datetime | None) -> float | None:
    return None if first is None or last is None else (last - first).total_seconds()


def _document(task: Task, trip: Trip) -> dict[str, Any]:
    return {
        "ok": task.state == "complete",
        "task_id": task.id,
        "state": task.state,
        "seconds": trip.seconds,
        "accepting_seconds": trip.accepting,
        "waiting_seconds": trip.waiting,
        "running_seconds": trip.running,
    }


def _told(trip: Trip) -> str:
    parts = [f"accepted in {_ms(trip.accepting)}"]
    if trip.waiting is not None:
        parts.append(f"started after {_ms(trip.waiting)}")
    if trip.running is not None:
        parts.append(f"ran {_ms(trip.running)}")
    return f"The canary is back after {_ms(trip.seconds)}: {', '.join(parts)}."


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
