"""However a policy is set, a wait is a number of seconds that somebody could have meant."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.core.backoff import backoff
from tidewheel_common.core.decide import Standing, decide
from tidewheel_common.core.lifecycle import FINAL, State
from tidewheel_common.core.outcome import Completed, Failed, Interrupted, Lost, Refused
from tidewheel_common.core.task import Delivery, Retry

policies = st.builds(
    Retry,
    max_attempts=st.integers(1, 1000),
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 100),
    maximum=st.floats(0, 1e9),
    jitter=st.floats(0, 1),
)
draws = st.floats(0, 1, exclude_max=True)
failures = st.integers(1, 10_000)

outcomes = st.one_of(
    st.just(Completed(None)),
    st.builds(Failed, st.just("e"), st.just("E"), st.none() | st.floats(-1e9, 1e9)),
    st.builds(Refused, st.just("e"), st.just("E"), st.booleans()),
    st.builds(Interrupted, st.floats(0, 1e6)),
    st.just(Lost()),
)
standings = st.builds(
    Standing,
    failures=st.integers(0, 1000),
    lost=st.integers(0, 5),
    delivery=st.sampled_from(Delivery),
    retry=policies,
    cancel_requested=st.booleans(),
)


@given(policies, failures, draws)
def test_a_wait_lies_within_its_bounds(policy: Retry, count: int, jitter: float) -> None:
    wait = backoff(policy, count, jitter)
    assert math.isfinite(wait)
    assert 0 <= wait <= policy.maximum * (1 + policy.jitter) * (1 + 1e-9)


@given(policies, failures)
def test_without_jitter_waits_never_shrink(policy: Retry, count: int) -> None:
    assert backoff(policy, count, 0.5) <= backoff(policy, count + 1, 0.5)


@given(policies, failures, draws, draws)
def test_a_higher_draw_waits_longer(policy: Retry, count: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert backoff(policy, count, low) <= backoff(policy, count, high)


@given(standings, outcomes, draws)
def test_a_decision_is_whole(task: Standing, outcome: object, jitter: float) -> None:
    transition = decide(task, outcome, jitter=jitter)  # type: ignore[arg-type]  # one of the outcomes

    assert (transition.wait is not None) == (transition.state is State.WAITING)
    assert (transition.reason is not None) == (transition.state in FINAL - {State.COMPLETE})
    assert transition.wait is None or transition.wait >= 0
    assert transition.failures >= task.failures
    assert transition.lost >= task.lost
    assert transition.failures + transition.lost <= task.failures + task.lost + 1
    if transition.state is State.WAITING:
        assert not task.cancel_requested
        assert transition.failures < task.retry.max_attempts or transition.failures == task.failures
