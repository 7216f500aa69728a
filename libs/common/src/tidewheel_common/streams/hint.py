"""The hint: what a stream entry says of a task. Never its payload."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
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

    def to_fields(self) -> dict[str | bytes, str | bytes | int | float]:
        """Return the fields of the stream entry; what is not set takes no room."""
        fields: dict[str | bytes, str | bytes | int | float] = {
            "i": self.task_id.hex,
            "a": self.attempt,
            "h": self.handler,
        }
        if self.timeout is not None:
            fields["t"] = repr(self.timeout)
        if self.lost:
            fields["l"] = self.lost
        if self.traceparent is not None:
            fields["p"] = self.traceparent
        return fields

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> "Hint":
        """Read the fields of a stream entry.

        Raises:
            ValueError, KeyError: the entry was not written by a dispatcher.
        """
        return cls(
            task_id=UUID(hex=fields[b"i"].decode()),
            attempt=int(fields[b"a"]),
            handler=fields[b"h"].decode(),
            timeout=float(fields[b"t"]) if b"t" in fields else None,
            lost=int(fields.get(b"l", 0)),
            traceparent=fields[b"p"].decode() if b"p" in fields else None,
        )
