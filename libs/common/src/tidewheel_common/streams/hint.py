"""The hint: what a stream entry says of a task. Never its payload."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from tidewheel_common.store.ids import make_id

FIELD = "h"
"""The one field of a stream entry; its value is the hint's text."""

_NOTHING = b"-"


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

    def to_text(self) -> str:
        """Return the hint as it stands in a stream entry: words, and the handler's name last, for it may have spaces.

        One text and not a field for each word: it is written and read ten thousand times a second, and what a stream
        entry costs in Redis and in its clients grows with its fields.
        """
        timeout = "-" if self.timeout is None else repr(self.timeout)
        return f"{self.task_id.hex} {self.attempt} {self.lost} {timeout} {self.traceparent or '-'} {self.handler}"

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> "Hint":
        """Read the fields of a stream entry.

        Raises:
            ValueError, KeyError: the entry was not written by a dispatcher.
        """
        task_id, attempt, lost, timeout, traceparent, handler = fields[b"h"].split(b" ", 5)
        return cls(
            make_id(task_id.decode()),
            int(attempt),
            handler.decode(),
            None if timeout == _NOTHING else float(timeout),
            int(lost),
            None if traceparent == _NOTHING else traceparent.decode(),
        )


def identity_of(fields: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return the task id (hex) and the attempt that a stream entry speaks of, without reading all of it.

    Raises:
        ValueError, KeyError: the entry was not written by a dispatcher.
    """
    task_id, attempt, _ = fields[b"h"].split(b" ", 2)
    return task_id, attempt
