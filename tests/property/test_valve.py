"""A rate never lets more go in any stretch of time than it says, and wastes nothing while there is work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.core.valve import Valve

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(rate=st.floats(0.01, 1000), pauses=st.lists(st.floats(0.001, 5), min_size=1, max_size=60))
def test_a_rate_holds_over_every_stretch_of_time(rate: float, pauses: list[float]) -> None:
    valve = Valve(name="q", rate=rate)
    now, sent = START, []
    for pause in pauses:
        allowed = valve.allowance(now, 0)
        saved = valve.saved(now)
        assert allowed is not None
        assert saved is not None
        sent.append((now, allowed))
        valve = replace(valve, tokens=saved - allowed, tokens_at=now)
        now += timedelta(seconds=pause)
    for place, (begin, _) in enumerate(sent):
        for end, _ in sent[place:]:
            total = sum(count for at, count in sent if begin <= at <= end)
            assert total <= max(1.0, rate) + rate * (end - begin).total_seconds() + 1e-6


@given(rate=st.floats(0.01, 1000), tokens=st.floats(0, 1000), elapsed=st.floats(0, 10))
def test_the_next_token_comes_when_it_is_said_to(rate: float, tokens: float, elapsed: float) -> None:
    valve = Valve(name="q", rate=rate, tokens=tokens, tokens_at=START)
    now = START + timedelta(seconds=elapsed)
    at = valve.next_token(now)
    if at is None:
        assert (valve.allowance(now, 0) or 0) >= 1
    else:
        assert valve.allowance(now, 0) == 0
        assert (valve.allowance(at + timedelta(microseconds=2), 0) or 0) >= 1


@given(limit=st.integers(1, 50), in_flight=st.integers(0, 100))
def test_a_limit_leaves_what_is_free(limit: int, in_flight: int) -> None:
    valve = Valve(name="q", concurrency=limit)
    assert valve.allowance(START, in_flight) == max(0, limit - in_flight)


def test_a_pause_lets_nothing_go_until_it_ends() -> None:
    valve = Valve(name="q", paused_at=START, paused_until=START + timedelta(seconds=5))
    assert valve.allowance(START, 0) == 0
    assert valve.allowance(START + timedelta(seconds=5), 0) is None
    assert Valve(name="q").allowance(START, 1000) is None
