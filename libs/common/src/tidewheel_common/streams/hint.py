"""The hint: what a stream says of a task. Never its payload."""

from typing import NamedTuple
from uuid import UUID


class Hint(NamedTuple):
    """Tells an executor that a task may be claimed.

    The claim holds `attempt` against the row: a hint that is late or doubled finds another number, and is dropped.
    """

    task_id: UUID
    attempt: int
    handler: str
    timeout: float | None = None
    """Seconds; None for the executor's default."""
    lost: int = 0
    """How often its executor was lost. From the first loss on a task travels alone."""
    traceparent: str | None = None
