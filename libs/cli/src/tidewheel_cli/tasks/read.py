"""`tidewheel get` and `list`."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import cell, console, print_line, print_object, print_table, printable
from tidewheel_cli.times import parse_instant
from tidewheel_client import Client, Task
from tidewheel_client.models import TaskSummary
from tidewheel_client.options import TaskFilter

TaskId = Annotated[UUID, typer.Argument(help="The id of a task.", metavar="ID")]
States = Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")]
Word = Annotated[str | None, typer.Option(help="Only with this one.")]
Schedule = Annotated[UUID | None, typer.Option(help="Only those that this schedule has fired.")]
After = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Only those accepted after this time.")
]
Before = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="Only those accepted before this time.")
]
Limit = Annotated[int, typer.Option(min=0, help="How many, the newest first; 0 for all.")]

COLUMNS: Final = ("id", "handler", "queue", "state", "attempt", "run at", "error")

_PAGE: Final = 200
"""The most that one answer brings."""

_LINES: Final = (
    *("handler", "queue", "priority", "state", "reason", "error_type", "attempt", "failures", "lost", "tags"),
    *("created_at", "run_at", "started_at", "finished_at", "expires_at", "remove_at", "schedule_id", "unique_key"),
)


@in_session
def get(session: Session, task_id: TaskId) -> None:
    """Show a task: where it is, its payload, and its result or error."""
    with session.client() as client:
        task = client.tasks.get(task_id)
        if session.json:
            print_object(task)
        else:
            _show(console(), client, task)


@in_session
def list_tasks(
    session: Session,
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
    limit: Limit = 50,
) -> None:
    """List tasks, the newest first; further pages are fetched as they are needed."""
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
        limit=page_size(limit),
    )
    with session.client() as client:
        show_tasks(session, client.tasks.list(**wanted), limit)


def narrowed(**filters: Any) -> TaskFilter:
    """Return the filter of what was given on the command line."""
    return cast("TaskFilter", {name: value for name, value in filters.items() if value})


def page_size(limit: int) -> int:
    """Return how many tasks one answer should bring when so many are wanted (0: all)."""
    return min(limit or _PAGE, _PAGE)


def show_tasks(session: Session, tasks: Iterator[TaskSummary], limit: int) -> None:
    """Show the first of some tasks (0: all), and say so when there are more."""
    shown = itertools.islice(tasks, limit) if limit else tasks
    if session.json:
        for task in shown:
            print_line(task)
        return
    print_table(COLUMNS, map(_row, shown), empty="There are no such tasks.")
    if limit and next(tasks, None) is not None:
        typer.echo(f"These are the newest {limit}; there are more: --limit 0 shows all.", err=True)


def _row(task: TaskSummary) -> tuple[object, ...]:
    return str(task.id), task.handler, task.queue, task.state, task.attempt, task.run_at, task.error_type


def _show(target: Console, client: Client, task: Task) -> None:
    width = max(map(len, _LINES))
    target.print(Text(str(task.id), style="bold"))
    for name in _LINES:
        value = getattr(task, name)
        if value not in (None, "", []):
            target.print(Text(f"  {name:<{width}}  ").append_text(cell(value)), soft_wrap=True)
    if not task.final:
        target.print(Text(f"  {printable(client.tasks.explain(task).summary)}"), soft_wrap=True)
    if task.error:
        target.print(Text("\n" + printable(task.error), style="red"), soft_wrap=True)
    for name, document in (("payload", task.payload), ("result", task.result)):
        if document is not None:
            body = to_json(document, indent=2).decode()
            target.print(Text(f"\n{name}", style="bold").append(f"\n{body}", style="not bold"), soft_wrap=True)
    for name, why in task.unreadable.items():
        target.print(Text(f"\n{name} cannot be read: {why}", style="yellow"), soft_wrap=True)
