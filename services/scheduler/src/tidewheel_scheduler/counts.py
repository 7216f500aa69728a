"""What the scheduler counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0)


class Counts:
    """The scheduler's own metrics.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.promoted = Counter(
            "tidewheel_scheduler_promoted", "Tasks that came due and were made ready.", registry=registry
        )
        self.lag = Histogram(
            "tidewheel_scheduler_lag_seconds",
            "Seconds between the time at which a task or a schedule was due and the time at which it was moved on.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.fired = Counter("tidewheel_scheduler_fired", "Tasks born from recurring schedules.", registry=registry)
        self.outcomes = Counter(
            "tidewheel_scheduler_nominal_times",
            "Nominal times of schedules, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.paused = Counter(
            "tidewheel_scheduler_paused", "Schedules paused because no clock can follow them.", registry=registry
        )
        self.refused = Counter(
            "tidewheel_scheduler_fires_refused", "Fires that failed and are tried again later.", registry=registry
        )
        self.failing = Gauge(
            "tidewheel_scheduler_failing_schedules",
            "Schedules whose last fire was refused; each says why in `last_error`.",
            registry=registry,
        )
        self.beat_refused = Gauge(
            "tidewheel_scheduler_beat_entries_refused",
            "Entries of the app's beat_schedule that cannot be followed; the log says why.",
            registry=registry,
        )
        self.expired = Counter(
            "tidewheel_scheduler_expired", "Tasks that had not started before they expired.", registry=registry
        )
        self.lapsed = Counter(
            "tidewheel_scheduler_late_tasks",
            "Tasks that had not begun when somebody wanted to be told of it.",
            registry=registry,
        )
        self.rescued = Counter(
            "tidewheel_scheduler_rescued",
            "Tasks taken from lost executors, by the state that they went to.",
            ["state"],
            registry=registry,
        )
        self.released = Counter(
            "tidewheel_scheduler_released",
            "Dependants told of a parent that ended outside of an executor, by the state that they are in now.",
            ["state"],
            registry=registry,
        )
