"""What the dispatcher counts."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class DispatcherMetrics:
    """The dispatcher's own metrics, in its process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def count(name: str, text: str) -> Counter:
            return Counter(f"tidewheel_dispatcher_{name}", text, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"tidewheel_{name}", text, ["queue"], registry=registry)

        self.pushed = count("pushed", "Hints that were pushed to Redis.")
        self.released = count("released", "Tasks that were taken back because Redis did not take their hints.")
        self.overdue = count("overdue", "Tasks that were taken back because their hints had vanished unnoticed.")
        self.rehydrated = count("rehydrated", "Tasks that were taken back because Redis had lost data.")
        self.losses = count("redis_losses", "How often Redis was found to have lost data, or may have.")
        self.parked = count("parked", "Tasks that were parked because nobody serves their handler.")
        self.unparked = count("unparked", "Parked tasks that came back because an executor serves them.")
        self.withdrawn = count("withdrawn", "Tasks that were taken back because their queue was paused.")
        self.unread = gauge("queue_unread", "Hints in Redis that no executor has read.")
        self.in_flight = gauge("queue_in_flight", "Hints in Redis that an executor holds.")
        self.window = gauge("queue_window", "Hints that each priority of a queue may have in Redis.")
        self.ready_oldest = gauge("ready_oldest_seconds", "How long the oldest task that is due has waited in ready.")

    def waits(self, oldest: Mapping[str, float]) -> None:
        """Say for how many seconds each queue's oldest task has been due; other queues have none."""
        self.ready_oldest.clear()
        for queue, seconds in oldest.items():
            self.ready_oldest.labels(queue=queue).set(max(0.0, seconds))

    def holds(self, unread: Mapping[str, int], in_flight: Mapping[str, int]) -> None:
        """Say what Redis holds of each queue; other queues are not known there."""
        for metric, counts in ((self.unread, unread), (self.in_flight, in_flight)):
            metric.clear()
            for queue, count in counts.items():
                metric.labels(queue=queue).set(count)
