"""What those who run the gateway ask it."""

from typing import Final

from tidewheel_client.call import Call, one
from tidewheel_client.models import Verdict

_NO: Final = frozenset({503})
"""Here it is an answer, not a failure."""


def healthz() -> Call[Verdict]:
    """Read whether the gateway is alive."""
    return Call(method="GET", path="/healthz", accepts=_NO, read=one(Verdict))


def readyz() -> Call[Verdict]:
    """Read whether the gateway can serve calls, and if not, why."""
    return Call(method="GET", path="/readyz", accepts=_NO, read=one(Verdict))


def metrics() -> Call[str]:
    """Read everything that the gateway counts, as Prometheus reads it."""
    return Call(method="GET", path="/metrics", read=lambda reply: reply.content.decode())
