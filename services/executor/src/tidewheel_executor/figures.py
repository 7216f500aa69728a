"""What an executor counts."""

from bisect import bisect_left
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tidewheel_common.core.lifecycle import State
from tidewheel_executor.judge import Ended

RUN_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500)


class Distribution(Histogram):
    """A histogram that takes many values at once: each write goes to a file that the main process reads."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Count values, as `observe` counts each."""
        self._sum.inc(sum(values))
        for place, number in Counts(bisect_left(self._upper_bounds, value) for value in values).items():
            self._buckets[place].inc(number)


class Figures:
    """The counts of the executor's children, which the main process sums; made before the fork."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "tidewheel_executor_runs",
            "Attempts that ended; outcome is the attempt's state in the execution log.",
            ["handler", "outcome"],
            registry=registry,
        )
        self._dead = Counter(
            "tidewheel_executor_dead_letters", "Tasks that ended dead.", ["handler"], registry=registry
        )
        self._seconds = Distribution(
            "tidewheel_executor_run_seconds",
            "Seconds that a handler ran.",
            ["handler"],
            buckets=RUN_BUCKETS,
            registry=registry,
        )
        self._batch = Histogram(
            "tidewheel_executor_batch_tasks",
            "Tasks that one statement claimed or finished.",
            ["step"],
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self._stale = Counter("tidewheel_executor_stale", "Hints that no longer held at the claim.", registry=registry)
        self._fenced = Counter(
            "tidewheel_executor_fenced",
            "Attempts that ended after their task had gone on without them.",
            registry=registry,
        )

        self._relieved = Counter(
            "tidewheel_executor_relieved",
            "Tasks given back because a neighbour in their message took long.",
            registry=registry,
        )

    def relieved(self, tasks: int) -> None:
        """Count tasks that need not wait for their neighbour."""
        self._relieved.inc(tasks)

    def claimed(self, *, hinted: int, claimed: int) -> None:
        """Count one claim."""
        self._batch.labels("claim").observe(claimed)
        if hinted > claimed:
            self._stale.inc(hinted - claimed)

    def finished(self, recorded: Sequence[Ended], *, fenced: int) -> None:
        """Count one finish."""
        alike: defaultdict[tuple[str, str, bool], list[float]] = defaultdict(list)
        for claimed, _, _, transition, seconds in recorded:
            alike[claimed.handler, transition.attempt_state, transition.state is State.DEAD].append(seconds)
        for (handler, outcome, dead), values in alike.items():
            self._runs.labels(handler, outcome).inc(len(values))
            self._seconds.labels(handler).observe_all(values)
            if dead:
                self._dead.labels(handler).inc(len(values))
        self._batch.labels("finish").observe(len(recorded))
        if fenced:
            self._fenced.inc(fenced)


class IntakeFigures:
    """The counts of the main process, where stream entries come in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._entries = Counter(
            "tidewheel_executor_intake",
            "What became of hints: delivered (entries), refused, returned, claimed, lost; the messages that carried "
            "them; and pulls that were blocked: all that waited was long, and no lane was left.",
            ["what"],
            registry=registry,
        )
        self._lanes = Gauge(
            "tidewheel_executor_lanes_taken",
            "Long messages in flight; one child is left to the short ones.",
            multiprocess_mode="max",
            registry=registry,
        )

    def count(self, what: str, number: int) -> None:
        """Count what became of so many hints."""
        self._entries.labels(what).inc(number)

    def lanes(self, taken: int) -> None:
        """Say how many long messages are in flight."""
        self._lanes.set(taken)
