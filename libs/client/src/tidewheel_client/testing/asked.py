"""One call of the fake, and what its answers share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from tidewheel_client.testing.refusal import Refusal, not_found
from tidewheel_client.testing.schedules import FakeSchedule, FakeSchedules
from tidewheel_client.testing.shelf import Shelf
from tidewheel_client.testing.tasks import FakeTask, FakeTasks

Answer = tuple[int, dict[str, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, and what it is asked of.

    Attributes:
        shelf: what else is kept.
        begin: where the fake's time began.
        now: where it is.
        hold: lets time pass until a task is final, so many seconds at most.
        path: the ids and names in the address.
    """

    tasks: FakeTasks
    schedules: FakeSchedules
    shelf: Shelf
    begin: datetime
    now: datetime
    hold: Callable[[FakeTask, float], None]
    path: Mapping[str, str]
    params: httpx2.QueryParams
    headers: httpx2.Headers
    body: Any

    @property
    def task(self) -> FakeTask:
        """The task that is named in the address."""
        return self.tasks.find(self.path["id"])

    @property
    def schedule(self) -> FakeSchedule:
        """The schedule that is named in the address, as the caller has read it."""
        schedule = self.schedules.find(self.path["id"])
        if self.headers.get("If-Match", schedule.etag) not in {schedule.etag, "*"}:
            raise Refusal(412, "changed_meanwhile", "The schedule was changed. Read it again.")
        return schedule


def page(asked: Asked, rows: list[dict[str, Any]]) -> Answer:
    """Answer with a page of rows; a cursor is a number here."""
    first, size = int(asked.params.get("cursor", 0)), int(asked.params.get("limit", 50))
    following = str(first + size) if first + size < len(rows) else None
    return 200, {}, {"data": rows[first : first + size], "next_cursor": following}


def kept(rows: Mapping[UUID, dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the row that an address names.

    Raises:
        Refusal: it is not there.
    """
    try:
        return rows[UUID(name)]
    except (KeyError, ValueError):
        raise not_found() from None
