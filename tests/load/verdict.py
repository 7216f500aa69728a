"""What came of a load, as the API tells it, against the limits of its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.bench.offer import Offered
from tests.bench.report import quantile

from tidewheel_client import AsyncClient
from tidewheel_client.models import TaskSummary

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was measured, and what was asked of it, if anything."""

    what: str
    measured: float
    limit: float | None

    @property
    def met(self) -> bool:
        return self.limit is None or self.measured <= self.limit


async def verdict(
    client: AsyncClient, tag: str, load: Offered, *, drained: float, limits: Mapping[str, float]
) -> list[Line]:
    """Look at every task of a load.

    Args:
        client: where the tasks are.
        tag: which every task of the load has.
        load: what was accepted.
        drained: seconds from the last answer until nothing was open.
        limits: by the names that scenarios.json has.
    """
    accepted = {task_id.decode() for task_id in load.ids}
    complete: dict[str, float] = {}
    async for task in client.tasks.list(tag=tag, limit=_PAGE):
        if task.state == "complete" and task.started_at is not None:
            complete[str(task.id)] = _pickup(task, task.started_at)
    pickups = list(complete.values())
    measured = {
        "accept_p99_ms": quantile(load.latencies, 0.99),
        "pickup_p50_ms": quantile(pickups, 0.5),
        "pickup_p99_ms": quantile(pickups, 0.99),
        "drained_seconds": drained,
    }
    return [
        Line("requests that were not accepted", sum(load.refused.values()), 0),
        Line("tasks accepted and not complete", len(accepted - complete.keys()), 0),
        Line("tasks complete and not accepted", len(complete.keys() - accepted), 0),
        *(Line(name, value, limits.get(name)) for name, value in measured.items()),
    ]


def _pickup(task: TaskSummary, started_at: datetime) -> float:
    """Return milliseconds between when a task could start and when it started."""
    return 1000 * (started_at - max(task.created_at, task.run_at)).total_seconds()
