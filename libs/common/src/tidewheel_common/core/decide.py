"""Retry or die: what becomes of a running task, from how its attempt ended."""

from functools import lru_cache
from typing import NamedTuple, assert_never

from tidewheel_common.core.backoff import backoff
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.outcome import Cancelled, Completed, Failed, Interrupted, Lost, Outcome, Refused
from tidewheel_common.core.task import POISON_LIMIT, Delivery, Reason, Retry


class Standing(NamedTuple):
    """What a decision needs to know of a running task."""

    failures: int
    lost: int
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    retry: Retry = Retry()
    cancel_requested: bool = False


class Transition(NamedTuple):
    """Where a running task goes. `wait` is in seconds from now, and only set for `waiting`."""

    state: State
    attempt_state: str
    failures: int
    lost: int
    wait: float | None = None
    reason: Reason | None = None


def decide(task: Standing, outcome: Outcome, *, jitter: float) -> Transition:
    """Decide what becomes of a running task.

    Args:
        task: its counters and its policy.
        outcome: how the attempt ended.
        jitter: a number in [0, 1) that the caller has drawn, for the backoff.
    """
    match outcome:
        case Completed():
            return complete(task.failures, task.lost)
        case Cancelled():
            return _end(task, State.CANCELLED, "cancelled", Reason.CANCELLED)
        case Refused(unsealable=unsealable):
            return _end(task, State.DEAD, "failed", Reason.UNSEALABLE if unsealable else Reason.PERMANENT)
        case Interrupted(retry_in=seconds):
            return _again(task, "interrupted", seconds)
        case Failed(retry_in=asked):
            return _after_failure(task, asked, jitter)
        case Lost():
            return _after_loss(task, jitter)
        case _:
            assert_never(outcome)


@lru_cache(maxsize=1024)
def complete(failures: int, lost: int) -> Transition:
    """Decide for a task whose handler returned: only its counters go on, so all that have the same are decided at once.

    Args:
        failures: the attempts that failed before.
        lost: how often its executor was lost.
    """
    return Transition(State.COMPLETE, "complete", failures, lost)


def _end(task: Standing, state: State, attempt_state: str, reason: Reason | None) -> Transition:
    return Transition(state, attempt_state, task.failures, task.lost, None, reason)


def _again(task: Standing, attempt_state: str, wait: float) -> Transition:
    if task.cancel_requested:
        return _end(task, State.CANCELLED, "cancelled", Reason.CANCELLED)
    return Transition(
        state=State.WAITING, attempt_state=attempt_state, failures=task.failures, lost=task.lost, wait=wait
    )


def _after_failure(task: Standing, asked: float | None, jitter: float) -> Transition:
    failed = _count(task, failures=task.failures + 1)
    if failed.failures >= task.retry.max_attempts:
        return _end(failed, State.DEAD, "failed", Reason.ATTEMPTS_EXHAUSTED)
    wait = backoff(task.retry, failed.failures, jitter) if asked is None else max(0.0, asked)
    return _again(failed, "failed", wait)


def _after_loss(task: Standing, jitter: float) -> Transition:
    lost = _count(task, lost=task.lost + 1)
    if task.cancel_requested:
        return _end(lost, State.CANCELLED, "lost", Reason.CANCELLED)
    if task.delivery is Delivery.AT_MOST_ONCE:
        return _end(lost, State.DEAD, "lost", Reason.LOST)
    if lost.lost >= POISON_LIMIT:
        return _end(lost, State.DEAD, "lost", Reason.POISON)
    # A short, spread pause: the first loss is most often a deploy or a dead node, not the task's own fault.
    return _again(lost, "lost", jitter * lost.lost)


def _count(task: Standing, *, failures: int | None = None, lost: int | None = None) -> Standing:
    return Standing(
        failures=task.failures if failures is None else failures,
        lost=task.lost if lost is None else lost,
        delivery=task.delivery,
        retry=task.retry,
        cancel_requested=task.cancel_requested,
    )
