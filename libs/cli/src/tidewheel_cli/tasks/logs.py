"""`tidewheel logs`: what the handlers of a task have logged."""

from collections.abc import Iterator
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.text import Text

from tidewheel_cli.pacing import pause
from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import console, moment, print_line, printable
from tidewheel_cli.tasks.read import TaskId
from tidewheel_client import Client
from tidewheel_client.models import FINAL, LogLine

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task is final.")]

_STYLES: Final = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


@in_session
def logs(session: Session, task_id: TaskId, *, follow: Follow = False) -> None:
    """Print what the handlers of a task have logged, also while it runs."""
    target = console()
    with session.client() as client:
        for line in _lines(client, task_id, follow=follow):
            if session.json:
                print_line(line)
            else:
                target.print(_shown(line), soft_wrap=True)


def _lines(client: Client, task_id: UUID, *, follow: bool) -> Iterator[LogLine]:
    page = client.tasks.logs(task_id)
    yield from page.data
    while page.data or (follow and page.state not in FINAL):
        if not page.data:
            pause()
        page = client.tasks.logs(task_id, after=page.next_cursor)
        yield from page.data


def _shown(line: LogLine) -> Text:
    at = "" if line.at is None else f"{moment(line.at)} "
    start = Text(f"{at}[{line.attempt}] ", style="dim")
    return start.append(
        f"{line.level} {line.logger}: {printable(line.message)}", style=_STYLES.get(line.level, "not dim")
    )
