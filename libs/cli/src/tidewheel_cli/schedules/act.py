"""`tidewheel schedules get`, `create`, `pause`, `resume`, `trigger`, `backfill`, `skip-next` and `delete`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic_core import to_json
from rich.text import Text

from tidewheel_cli.failing import NotFoundHere
from tidewheel_cli.schedules.look import Zone, rule_of, standing
from tidewheel_cli.session import Session, Yes, confirm, in_session
from tidewheel_cli.show import cell, console, moment, print_line, print_object
from tidewheel_cli.tasks.payload import read_payload
from tidewheel_cli.times import parse_duration, parse_instant
from tidewheel_client import Client
from tidewheel_client.models import Schedule, ScheduleSummary
from tidewheel_client.options import ScheduleOptions

Which = Annotated[str, typer.Argument(help="The name or the id of a schedule.", metavar="SCHEDULE")]
NewName = Annotated[str, typer.Argument(help="What it is called.")]
Handler = Annotated[str, typer.Argument(help="The name of the handler.")]
Payload = Annotated[str, typer.Argument(help="Its arguments: a JSON object, @FILE, or - for stdin.")]
Cron = Annotated[str | None, typer.Option(help="When: five fields, such as '0 9 * * 1', or @daily.")]
Every = Annotated[float | None, typer.Option(parser=parse_duration, metavar="DURATION", help="How often: 90s, 1h30m.")]
Queue = Annotated[str, typer.Option(help="Where its tasks wait.")]
Until = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Resume by itself at a time.")
]
Reason = Annotated[str | None, typer.Option(help="For whoever finds it paused.")]
First = Annotated[datetime, typer.Option("--from", parser=parse_instant, metavar="TIME", help="The first time.")]
Last = Annotated[datetime, typer.Option("--to", parser=parse_instant, metavar="TIME", help="The last time.")]

_LINES = (
    *("handler", "queue", "priority", "timezone", "overlap", "next_run_at", "last_run_at", "fired", "failures"),
    *("starts_at", "ends_at", "pause_reason", "last_error", "source", "managed_by", "tags"),
)


@in_session
def get(session: Session, which: Which) -> None:
    """Show a schedule: when it fires, and what."""
    with session.client() as client:
        _show(session, client.schedules.get(_find(client, which)))


@in_session
def create(
    session: Session,
    name: NewName,
    handler: Handler,
    payload: Payload = "{}",
    *,
    cron: Cron = None,
    every: Every = None,
    zone: Zone = "UTC",
    queue: Queue = "default",
) -> None:
    """Keep a schedule of one rule; what has more to say goes into a file: `schedules apply`."""
    if (cron is None) == (every is None):
        raise typer.BadParameter("Give --cron or --every.")
    options: ScheduleOptions = {"timezone": zone, "queue": queue}
    if cron is not None:
        options["cron"] = cron
    if every is not None:
        options["every"] = every
    with session.client() as client:
        made = client.schedules.create(name, handler, read_payload(payload), **options)
    if session.json:
        print_object(made)
    else:
        console().print(str(made.id))


@in_session
def pause(session: Session, which: Which, *, until: Until = None, reason: Reason = None) -> None:
    """Keep a schedule from firing; what it has fired goes on."""
    with session.client() as client:
        _tell(session, client.schedules.pause(_find(client, which), until=until, reason=reason))


@in_session
def resume(session: Session, which: Which) -> None:
    """Let a schedule fire again, from its next time on."""
    with session.client() as client:
        _tell(session, client.schedules.resume(_find(client, which)))


@in_session
def trigger(session: Session, which: Which) -> None:
    """Fire a schedule now, also a paused one, and print the id of the task."""
    with session.client() as client:
        fired = client.schedules.trigger(_find(client, which))
    if session.json:
        print_object(fired)
    else:
        console().print(str(fired.task_id))


@in_session
def backfill(session: Session, which: Which, *, first: First, last: Last, yes: Yes = False) -> None:
    """Fire a schedule for the times of a range that has passed; repeating it fires nothing twice."""
    with session.client() as client:
        found = _find(client, which)
        confirm(f"Fire {found.name} for its times from {moment(first)} to {moment(last)}?", yes=yes)
        fired = client.schedules.backfill(found, first, last)
    for each in fired if session.json else ():
        print_line(each)
    if not session.json:
        typer.echo(f"{found.name} was fired for {len(fired)} times.")


@in_session
def skip_next(session: Session, which: Which) -> None:
    """Skip the next time of a schedule, and only that."""
    with session.client() as client:
        _tell(session, client.schedules.skip_next(_find(client, which)))


@in_session
def delete(session: Session, which: Which, *, yes: Yes = False) -> None:
    """Delete a schedule; what it has fired goes on."""
    with session.client() as client:
        found = _find(client, which)
        confirm(f"Delete the schedule {found.name}?", yes=yes)
        client.schedules.delete(found)
    if session.json:
        print_object(found)
    else:
        typer.echo(f"{found.name} is deleted.")


def _find(client: Client, which: str) -> ScheduleSummary:
    """Return the schedule that is meant.

    Raises:
        NotFoundHere: none has this name.
    """
    try:
        return client.schedules.get(UUID(which))
    except ValueError:
        pass
    found = next(client.schedules.list(name=which), None)
    if found is None:
        raise NotFoundHere(f"There is no schedule {which!r}; `tidewheel schedules list` shows those that there are.")
    return found


def _tell(session: Session, schedule: Schedule) -> None:
    if session.json:
        print_object(schedule)
        return
    following = "" if schedule.next_run_at is None else f", next at {moment(schedule.next_run_at)}"
    typer.echo(f"{schedule.name}: {standing(schedule)}{following}.")


def _show(session: Session, schedule: Schedule) -> None:
    if session.json:
        print_object(schedule)
        return
    target = console()
    target.print(Text(schedule.name, style="bold").append(f"  {schedule.id}", style="dim"), soft_wrap=True)
    shown: dict[str, Any] = {"rule": rule_of(schedule), "standing": standing(schedule)}
    shown |= {name: getattr(schedule, name) for name in _LINES}
    width = max(map(len, shown))
    for name, value in shown.items():
        if value not in (None, "", []):
            target.print(Text(f"  {name:<{width}}  ").append_text(cell(value)), soft_wrap=True)
    if schedule.payload is not None:
        body = to_json(schedule.payload, indent=2).decode()
        target.print(Text("\npayload", style="bold").append(f"\n{body}", style="not bold"), soft_wrap=True)
