"""Many values that are counted at once count as each alone."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from tidewheel_executor.figures import RUN_BUCKETS, Distribution


@given(st.lists(st.sampled_from([0.0, 0.25, 1000.0, *RUN_BUCKETS]) | st.integers(0, 700).map(float)))
def test_a_distribution_counts_what_a_histogram_does(values: list[float]) -> None:
    alone, together = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("seconds", "s", ["handler"], buckets=RUN_BUCKETS, registry=alone)
    for value in values:
        histogram.labels("h").observe(value)
    if values:
        distribution = Distribution("seconds", "s", ["handler"], buckets=RUN_BUCKETS, registry=together)
        distribution.labels("h").observe_all(values)
    assert _numbers(together) == _numbers(alone)


def _numbers(registry: CollectorRegistry) -> list[tuple[str, float]]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("seconds_")]
    pairs = (line.rsplit(" ", 1) for line in lines if "created" not in line)
    return [(name, round(float(number), 6)) for name, number in pairs]
