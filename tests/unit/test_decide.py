"""Retry or die."""

import pytest

from tidewheel_common.core.decide import Standing, Transition, decide
from tidewheel_common.core.lifecycle import EDGES, Owner, State, edges_of
from tidewheel_common.core.outcome import Cancelled, Completed, Failed, Interrupted, Lost, Outcome, Refused
from tidewheel_common.core.task import POISON_LIMIT, Delivery, Reason, Retry

POLICY = Retry(max_attempts=3, initial=2.0, factor=2.0, jitter=0.0)


def _standing(failures: int = 0, lost: int = 0, **options: object) -> Standing:
    return Standing(failures=failures, lost=lost, retry=POLICY, **options)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("task", "outcome", "expected"),
    [
        (_standing(1), Completed(None), (State.COMPLETE, "complete", 1, 0, None, None)),
        (_standing(), Cancelled(), (State.CANCELLED, "cancelled", 0, 0, None, Reason.CANCELLED)),
        (_standing(), Refused("no", "E"), (State.DEAD, "failed", 0, 0, None, Reason.PERMANENT)),
        (_standing(), Refused("no", "E", unsealable=True), (State.DEAD, "failed", 0, 0, None, Reason.UNSEALABLE)),
        (_standing(1), Interrupted(3.0), (State.WAITING, "interrupted", 1, 0, 3.0, None)),
        (_standing(), Failed("e", "E"), (State.WAITING, "failed", 1, 0, 2.0, None)),
        (_standing(1), Failed("e", "E"), (State.WAITING, "failed", 2, 0, 4.0, None)),
        (_standing(1), Failed("e", "E", retry_in=0.0), (State.WAITING, "failed", 2, 0, 0.0, None)),
        (_standing(1), Failed("e", "E", retry_in=-5.0), (State.WAITING, "failed", 2, 0, 0.0, None)),
        (_standing(2), Failed("e", "E", retry_in=9.0), (State.DEAD, "failed", 3, 0, None, Reason.ATTEMPTS_EXHAUSTED)),
        (_standing(), Lost(), (State.WAITING, "lost", 0, 1, 0.5, None)),
        (_standing(2, POISON_LIMIT - 1), Lost(), (State.DEAD, "lost", 2, POISON_LIMIT, None, Reason.POISON)),
        (_standing(delivery=Delivery.AT_MOST_ONCE), Lost(), (State.DEAD, "lost", 0, 1, None, Reason.LOST)),
    ],
)
def test_what_becomes_of_a_task(task: Standing, outcome: Outcome, expected: tuple[object, ...]) -> None:
    transition = decide(task, outcome, jitter=0.5)
    assert _facts(transition) == expected


def _facts(transition: Transition) -> tuple[object, ...]:
    return (
        transition.state,
        transition.attempt_state,
        transition.failures,
        transition.lost,
        transition.wait,
        transition.reason,
    )


@pytest.mark.parametrize("outcome", [Failed("e", "E"), Interrupted(), Lost()])
def test_a_cancel_that_was_asked_for_comes_before_another_attempt(outcome: Outcome) -> None:
    transition = decide(_standing(cancel_requested=True), outcome, jitter=0.5)
    assert (transition.state, transition.reason) == (State.CANCELLED, Reason.CANCELLED)


@pytest.mark.parametrize("options", [{"delivery": Delivery.AT_MOST_ONCE}, {"lost": POISON_LIMIT - 1}])
def test_a_lost_task_that_nobody_wants_any_more_is_no_dead_letter(options: dict[str, object]) -> None:
    transition = decide(_standing(cancel_requested=True, **options), Lost(), jitter=0.5)  # type: ignore[arg-type]
    assert (transition.state, transition.attempt_state, transition.reason) == ("cancelled", "lost", Reason.CANCELLED)


@pytest.mark.parametrize("outcome", [Completed(b"1"), Refused("no", "E")])
def test_a_cancel_that_was_asked_for_does_not_undo_what_is_done(outcome: Outcome) -> None:
    asked, not_asked = (decide(_standing(cancel_requested=each), outcome, jitter=0.5) for each in (True, False))
    assert asked == not_asked


def test_the_executor_may_take_every_way_that_a_decision_leads() -> None:
    assert {(State.RUNNING, target) for target in (State.COMPLETE, State.WAITING, State.DEAD, State.CANCELLED)} <= {
        edge for edge in edges_of(Owner.EXECUTOR) if edge[0] is State.RUNNING
    }
    assert EDGES
