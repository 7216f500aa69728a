"""Edits that were meant for what the caller has read: `ETag` and `If-Match` (RFC 9110, 8.8 and 13.1)."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from tidewheel_gateway.problems import Problem
from tidewheel_gateway.records import ScheduleRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def etag_of(record: ScheduleRecord) -> str:
    """Return the tag of what callers can change of a schedule. Firing does not change it."""
    return f'"{(record.updated_at - _EPOCH) // timedelta(microseconds=1):x}"'


def check_match(request: Request, record: ScheduleRecord) -> None:
    """Let a call pass that says nothing of what it has read, or says what is still so.

    Raises:
        Problem: the schedule was changed since it was read.
    """
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return
    if etag_of(record) not in (tag.strip() for tag in given.split(",")):
        raise Problem(
            "changed_meanwhile", "The schedule is not what it was when you read it. Read it again and decide anew."
        )
