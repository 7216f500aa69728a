"""Which trace a call belongs to: that of the current OpenTelemetry span, or else that of the request being served."""

from contextvars import ContextVar
from typing import Final

try:
    from opentelemetry.propagate import inject
except ImportError:  # OpenTelemetry is not installed: nothing is current

    def inject(carrier: dict[str, str]) -> None:  # type: ignore[misc]  # the part of it that is used here
        """Carry nothing."""


HEADER: Final = "traceparent"

incoming: ContextVar[str | None] = ContextVar("tidewheel_traceparent", default=None)
"""The `traceparent` of the HTTP request that is being served here, where an integration has seen one."""


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` that a call made now should carry."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get(HEADER) or incoming.get()
