"""`tidewheel dlq`: the dead letters, tasks that have failed for good."""

from collections.abc import Callable

import typer

from tidewheel_cli.bulk import DryRun, carry_out
from tidewheel_cli.session import Session, Yes, in_session
from tidewheel_cli.show import print_line, print_table
from tidewheel_cli.tasks.read import Limit, Word, narrowed, page_size, show_tasks
from tidewheel_client.models import DeadLetters

app = typer.Typer(no_args_is_help=True, help="Dead letters: tasks that have failed for good.")

_COLUMNS = ("count", "handler", "error", "reason", "first", "last", "latest task")


@app.command(name="list")
@in_session
def list_groups(session: Session) -> None:
    """List dead letters by handler, error and reason, the most frequent first."""
    with session.client() as client:
        found = list(client.tasks.dead_letters())
    if session.json:
        for each in found:
            print_line(each)
    else:
        print_table(_COLUMNS, map(_row, found), empty="There are no dead letters.")


@app.command()
@in_session
def tasks(
    session: Session,
    *,
    queue: Word = None,
    handler: Word = None,
    error_type: Word = None,
    reason: Word = None,
    limit: Limit = 50,
) -> None:
    """List the dead tasks themselves, the newest first."""
    wanted = narrowed(
        state="dead", queue=queue, handler=handler, error_type=error_type, reason=reason, limit=page_size(limit)
    )
    with session.client() as client:
        show_tasks(session, client.tasks.list(**wanted), limit)


def _all(action: str, does: str) -> Callable[..., None]:
    """Return the command that acts on all dead tasks that are meant."""

    def act(
        session: Session,
        *,
        queue: Word = None,
        handler: Word = None,
        error_type: Word = None,
        reason: Word = None,
        dry_run: DryRun = False,
        yes: Yes = False,
    ) -> None:
        wanted = narrowed(state=["dead"], queue=queue, handler=handler, error_type=error_type, reason=reason)
        carry_out(session, action, dict(wanted), noun="dead task", dry_run=dry_run, yes=yes)

    act.__doc__ = f"{does}; asks with their number first."
    return in_session(act)


app.command("redrive")(_all("redrive", "Give all dead tasks that are meant a fresh start"))
app.command("delete")(_all("delete", "Delete all dead tasks that are meant"))


def _row(group: DeadLetters) -> tuple[object, ...]:
    why = group.handler, group.error_type, group.reason
    return group.count, *why, group.first_at, group.last_at, str(group.latest_task_id)
