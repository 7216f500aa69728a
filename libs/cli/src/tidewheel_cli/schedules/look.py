"""`tidewheel schedules list` and `preview`."""

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import console, moment, print_line, print_object, print_table, printable
from tidewheel_cli.times import parse_instant
from tidewheel_client.models import Nominal, Preview, ScheduleSummary
from tidewheel_client.options import RulePreview

Cron = Annotated[str, typer.Argument(help="Five fields, such as '0 9 * * 1', or @daily.")]
Zone = Annotated[str, typer.Option("--tz", help="The time zone by whose clocks it fires.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=100, help="How many times.")]
After = Annotated[
    datetime | None,
    typer.Option(parser=parse_instant, metavar="TIME", help="Only times after this one, not after now."),
]

_COLUMNS = ("id", "name", "handler", "rule", "time zone", "next", "standing")


@in_session
def list_schedules(session: Session) -> None:
    """List the schedules, the newest first."""
    with session.client() as client:
        found = client.schedules.list(limit=200)
        if session.json:
            for schedule in found:
                print_line(schedule)
        else:
            print_table(_COLUMNS, map(_row, found), empty="There are no schedules.")


@in_session
def preview(session: Session, cron: Cron, *, zone: Zone = "UTC", count: Count = 10, after: After = None) -> None:
    """Show when a rule would fire, and what clock changes do to it; nothing is stored."""
    rule: RulePreview = {"cron": cron, "timezone": zone, "count": count}
    if after is not None:
        rule["after"] = after
    with session.client() as client:
        found = client.schedules.preview_rule(**rule)
    if session.json:
        print_object(found)
    else:
        _show(found)


def _show(found: Preview) -> None:
    target = console()
    target.print(Text(printable(found.description)), soft_wrap=True)
    for each in found.data:
        target.print(
            Text(f"  {each.local}  ").append(moment(each.at), style="dim").append(_remark(each)), soft_wrap=True
        )


def _remark(each: Nominal) -> str:
    remarks = [part for part in (each.change, each.excluded and f"excluded: {each.excluded}") if part]
    return f"  {'; '.join(remarks)}" if remarks else ""


def _row(each: ScheduleSummary) -> tuple[object, ...]:
    place = str(each.id), each.name, each.handler, rule_of(each), each.timezone
    return *place, each.next_run_at, standing(each)


def rule_of(each: ScheduleSummary) -> str:
    """Return in a few words when a schedule fires."""
    if each.cron is not None:
        return each.cron
    return f"every {each.every:g} s" if each.every is not None else f"{len(each.specs or ())} specs"


def standing(each: ScheduleSummary) -> str:
    """Return in a few words whether a schedule fires, and if not, why."""
    if each.ended_at is not None:
        return "ended"
    if each.paused_at is not None:
        return "paused" if each.paused_until is None else f"paused until {moment(each.paused_until)}"
    return each.last_error or "fires"
