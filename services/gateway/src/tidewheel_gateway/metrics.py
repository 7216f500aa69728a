"""What the gateway counts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Counter, Histogram

from tidewheel_common.process.metrics import Metrics

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Counts calls by route and status, and what they bring in."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.exposition = metrics.exposition
        self._calls = Counter("tidewheel_http_requests", "Calls.", ["method", "route", "status"], registry=registry)
        self._seconds = Histogram(
            "tidewheel_http_seconds", "Seconds to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._labelled = cache(self._label)  # to find them by their labels costs more than to count
        self._accepted = Counter("tidewheel_tasks_accepted", "Tasks accepted.", registry=registry)
        self._straight = Counter(
            "tidewheel_tasks_straight", "Tasks that went straight to their streams.", registry=registry
        )
        self._flights = Histogram(
            "tidewheel_accept_flight_tasks",
            "Tasks in one commit.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=registry,
        )
        self._commits = Histogram(
            "tidewheel_accept_seconds", "Seconds of one commit.", buckets=_SECONDS, registry=registry
        )

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered call."""
        calls, took = self._labelled(method, route, status)
        calls.inc()
        took.observe(seconds)

    def _label(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._calls.labels(method, route, str(status)), self._seconds.labels(route)

    def accepted(self, tasks: int) -> None:
        """Count accepted tasks."""
        self._accepted.inc(tasks)

    def straight(self, tasks: int) -> None:
        """Count tasks that did not wait for the dispatcher."""
        self._straight.inc(tasks)

    @contextmanager
    def flight(self, tasks: int) -> Iterator[None]:
        """Measure one commit of so many tasks."""
        started = time.monotonic()
        yield
        self._flights.observe(tasks)
        self._commits.observe(time.monotonic() - started)
