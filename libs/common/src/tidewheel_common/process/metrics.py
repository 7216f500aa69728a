"""The metrics that every process has, and the registry to which it adds its own.

Each `Metrics` has a registry of its own; nothing goes to the library's global one, so tests do not meet each other.
In a process with forked children, call `share_with_children` first: then each child counts in a file, and the parent
serves the sum.
"""

import os
import shutil
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0 as CONTENT_TYPE
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["CONTENT_TYPE", "Metrics", "child_died", "share_with_children"]

TICK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One process's metrics.

    Args:
        service: The process's name, for `tidewheel_build_info`.
        shared: The directory given to `share_with_children`, in a process with forked children.

    Attributes:
        registry: Where a service registers what it counts besides: `Counter(…, registry=metrics.registry)`.
    """

    def __init__(self, service: str, *, shared: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._own = CollectorRegistry()  # memory, CPU and open files of this very process: no child's file has them
        ProcessCollector(registry=self._own)
        self._shared = shared
        self._lock = threading.Lock()
        if shared is not None:
            self._survive_forks()
        self._ticks = Counter(
            "tidewheel_loop_ticks",
            "Ticks of the background loops; result is ok, transient (a lost connection) or failed.",
            ["loop", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tidewheel_loop_seconds",
            "Seconds that a tick of a background loop took.",
            ["loop"],
            buckets=TICK_BUCKETS,
            registry=self.registry,
        )
        build = Gauge(
            "tidewheel_build_info",
            "Always 1; its labels say what runs here.",
            ["service", "version"],
            multiprocess_mode="max",
            registry=self.registry,
        )
        build.labels(service=service, version=_version()).set(1)

    def ticked(self, loop: str, *, result: str, seconds: float) -> None:
        """Count one tick of a loop."""
        with self._lock:
            self._ticks.labels(loop=loop, result=result).inc()
            self._seconds.labels(loop=loop).observe(seconds)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format, summed over the children where there are some."""
        if self._shared is None:
            return generate_latest(self.registry) + generate_latest(self._own)
        summed = CollectorRegistry()
        MultiProcessCollector(summed, path=str(self._shared))  # type: ignore[no-untyped-call]  # the library has no types
        return generate_latest(summed) + generate_latest(self._own)

    def _survive_forks(self) -> None:
        # A loop's thread may count at the very moment in which the main thread forks. The child would then inherit
        # the library's locked lock, and wait for it for ever; holding ours across the fork rules that out.
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )


def share_with_children(directory: Path) -> Path:
    """Make this process and the children that it will fork count in files below `directory`, emptied first.

    Call it before the first `Metrics` of the process. Returns the directory, to be given to `Metrics`.
    Source: https://prometheus.github.io/client_python/multiprocess (set before start, wiped at start).
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)  # noqa: TID251 -- the library reads only this
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # the library has no types
    return directory


def child_died(pid: int, *, shared: Path) -> None:
    """Drop the live gauges of a child that has exited; what it counted stays in the sums."""
    mark_process_dead(pid, path=str(shared))  # type: ignore[no-untyped-call]  # the library has no types


def _version() -> str:
    try:
        return version("tidewheel-common")
    except PackageNotFoundError:
        return "unknown"
