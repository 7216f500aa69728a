"""How a worker waits for a Redis that is away."""

from typing import Any

import structlog
from kombu import Connection

from tidewheel_executor.transport.hub import Hub

LONGEST = 3.0
"""Seconds between two tries. Celery's own grow to 30: so long would tasks wait after Redis is back."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PatientConnection(Connection):
    """Tries to connect again and again, never far apart, and says so once."""

    requires_hub = Hub
    """What Celery makes its event loop of."""

    def ensure_connection(self, errback: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Connect, however long it takes. Celery's `errback` would log an error for each try."""
        tries = 0

        def note(error: BaseException, _: float) -> None:
            nonlocal tries
            if not tries and errback is not None:
                log.warning("redis is away", error_type=type(error).__name__)
            tries += 1

        options = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": LONGEST, **kwargs}
        return super().ensure_connection(note, *args, **options)
