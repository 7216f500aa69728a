"""`tidewheel executors`."""

from tidewheel_cli.session import Session, in_session
from tidewheel_cli.show import print_line, print_table
from tidewheel_client.models import Executor

_COLUMNS = ("id", "host", "pid", "running", "queues", "heartbeat", "handlers")
_SHOWN = 5


@in_session
def list_executors(session: Session) -> None:
    """List the live executors: what they serve, and how many tasks each holds."""
    with session.client() as client:
        found = client.executors.list()
    if session.json:
        for executor in found:
            print_line(executor)
    else:
        print_table(_COLUMNS, map(_row, found), empty="No executor is alive; what is submitted waits until one is.")


def _row(executor: Executor) -> tuple[object, ...]:
    more = len(executor.handlers) - _SHOWN
    handlers = executor.handlers[:_SHOWN] + ([f"and {more} more (--json)"] if more > 0 else [])
    place = str(executor.id), executor.hostname, executor.pid
    return *place, executor.running, executor.queues, executor.heartbeat_at, handlers
