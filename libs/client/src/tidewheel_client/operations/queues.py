"""The operations on queues."""

from typing import Unpack

from tidewheel_client.call import Call, many, one
from tidewheel_client.models import Queue, QueueSettings
from tidewheel_client.options import QueueLimits
from tidewheel_client.values import Instant, path_of, wire


def list_queues() -> Call[list[Queue]]:
    """Read the queues: how much waits in each, and what keeps it back."""
    return Call(method="GET", path="/v1/queues", read=many(Queue))


def pause_queue(name: str, *, until: Instant | None = None) -> Call[QueueSettings]:
    """Keep a queue's tasks from starting, until a time or until it is resumed; only the operator's keys may."""
    return Call(method="POST", path=f"{_path(name)}:pause", body=wire({"until": until}), read=one(QueueSettings))


def resume_queue(name: str) -> Call[QueueSettings]:
    """Let a queue's tasks start again."""
    return Call(method="POST", path=f"{_path(name)}:resume", read=one(QueueSettings))


def limit_queue(name: str, **limits: Unpack[QueueLimits]) -> Call[QueueSettings]:
    """Limit a queue; None lifts a limit, and what is left out stays as it is."""
    return Call(method="PATCH", path=_path(name), body=wire(limits), read=one(QueueSettings))


def _path(name: str) -> str:
    return f"/v1/queues/{path_of(name)}"
