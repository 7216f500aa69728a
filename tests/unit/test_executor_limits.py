"""The soft limit rings in what it calls, and nowhere else."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tidewheel_executor.limits import SoftLimit


@pytest.fixture
def limit() -> Iterator[SoftLimit]:
    before = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGUSR1)}
    yield SoftLimit()
    for number, handler in before.items():
        signal.signal(number, handler)


def _block() -> None:
    threading.Event().wait(10)


def test_it_interrupts_what_blocks(limit: SoftLimit) -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        limit.call(0.01, _block, {})


def test_it_interrupts_what_computes(limit: SoftLimit) -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        limit.call(0.01, lambda: sum(1 for _ in itertools.count()), {})


def test_it_is_silent_after_the_call(limit: SoftLimit) -> None:
    assert limit.call(0.01, lambda: 5, {}) == 5
    threading.Event().wait(0.03)
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGALRM)


def test_it_rings_once(limit: SoftLimit) -> None:
    def cleans_up() -> str:
        try:
            _block()
        except SoftTimeLimitExceeded:
            os.kill(os.getpid(), signal.SIGUSR1)  # Celery's own soft limit, a moment later
            return "clean"
        return "not interrupted"

    assert limit.call(0.01, cleans_up, {}) == "clean"


def test_celerys_signal_interrupts_too(limit: SoftLimit) -> None:
    def hit() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        _block()

    with pytest.raises(SoftTimeLimitExceeded):
        limit.call(10, hit, {})


def test_it_takes_back_a_signal_that_a_handler_took(limit: SoftLimit) -> None:
    limit.call(1, lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN), {})
    with pytest.raises(SoftTimeLimitExceeded):
        limit.call(0.01, _block, {})


def test_whatever_the_moment_a_call_either_returns_or_is_interrupted(limit: SoftLimit) -> None:
    """Rings at every moment around the end of a short call: no outcome is lost, and nothing rings after it."""

    def short(turns: int) -> str:
        for _ in range(turns):
            pass
        return "done"

    outcomes: list[Any] = []
    for microseconds in range(1, 600):
        try:
            outcomes.append(limit.call(microseconds / 1e6, short, {"turns": 2000}))
        except SoftTimeLimitExceeded:
            outcomes.append("interrupted")
        limit.call(10, _nothing, {})

    assert set(outcomes) <= {"done", "interrupted"}


def _nothing() -> None:
    for _ in range(50):
        pass
