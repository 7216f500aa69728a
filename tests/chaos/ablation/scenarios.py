"""Short plays of the model, each of which comes to the one moment that a safeguard is for.

With the safeguard a play ends well; without it one of the model's own checks, or the schema, must speak up.
"""

from tests.property.lifecycle_crashes import CrashingLifecycle
from tests.property.lifecycle_model import START, Attempt

from tidewheel_common.core.lifecycle import Owner, State
from tidewheel_common.core.outcome import Completed, Failed, Outcome, Refused
from tidewheel_common.core.task import POISON_LIMIT, Delivery
from tidewheel_common.streams.hint import Hint
from tidewheel_dispatcher import queries as dispatcher
from tidewheel_scheduler import queries as scheduler
from tidewheel_scheduler.rescue import judge

LIMIT = POISON_LIMIT
"""The limit as it is before anybody takes it away."""


def queued(model: CrashingLifecycle) -> Hint:
    """Submit a task and push its hint."""
    model.submit(0, None, 3, Delivery.AT_LEAST_ONCE, 50.0)
    [hint] = model.dispatch(1).values
    assert isinstance(hint, Hint)
    return hint


def running(model: CrashingLifecycle) -> tuple[Hint, Attempt]:
    """Submit a task and have it claimed."""
    hint = queued(model)
    [attempt] = model.claim(hint).values
    return hint, attempt


def a_zombie_completes_a_newer_attempt(model: CrashingLifecycle) -> None:
    _zombie(model, Completed(b"1"))


def a_zombie_fails_a_newer_attempt(model: CrashingLifecycle) -> None:
    _zombie(model, Refused("never", "Error"))


def _zombie(model: CrashingLifecycle, outcome: Outcome) -> None:
    _, lost = running(model)
    [newer] = model.others_run_what_lost_executors_held(1).values
    model.finish(lost, outcome)
    model.finish(newer, Completed(b"2"))


def a_completion_is_told_twice(model: CrashingLifecycle) -> None:
    _, attempt = running(model)
    model.an_answer_is_lost_and_the_ending_repeated(attempt, Completed(b"1"))


def an_ending_is_told_twice(model: CrashingLifecycle) -> None:
    _, attempt = running(model)
    model.an_answer_is_lost_and_the_ending_repeated(attempt, Refused("never", "Error"))


def a_hint_comes_after_its_task_was_taken_back(model: CrashingLifecycle) -> None:
    hint = queued(model)
    model._take_back()
    model.claim(hint)


def a_hint_of_an_old_attempt_comes_late(model: CrashingLifecycle) -> None:
    hint, attempt = running(model)
    model.finish(attempt, Failed("no", "Error", retry_in=0.0))
    model.time_passes(1, "promote")
    model.dispatch(1)
    for late in model.claim(hint).values:
        model.finish(late, Completed(b"1"))


def a_hint_of_an_ended_attempt_comes_again(model: CrashingLifecycle) -> None:
    hint, attempt = running(model)
    model.finish(attempt, Completed(b"1"))
    model.claim(hint)


def a_complete_task_is_cancelled(model: CrashingLifecycle) -> None:
    _, attempt = running(model)
    model.finish(attempt, Completed(b"1"))
    model.a_caller_acts(attempt.task_id, "cancel")


def a_running_task_is_redriven(model: CrashingLifecycle) -> None:
    model.a_caller_acts(running(model)[1].task_id, "redrive")


def a_running_task_is_discarded(model: CrashingLifecycle) -> None:
    model.a_caller_acts(running(model)[1].task_id, "discard")


def a_rescue_comes_after_the_ending(model: CrashingLifecycle) -> None:
    """Its connection, and with it its lock, was lost between its two statements."""
    _, attempt = running(model)
    model.time_passes(60, None)
    now = model.world.now
    lost = model.world.run(lambda c: scheduler.tasks_lost(c, now=now, stale=15.0, jumped_at=START, slack=15.0, size=10))
    model.finish(attempt, Completed(b"1"))
    verdicts = list(judge(lost, lambda: 0.5))
    model._step(Owner.SCHEDULER, lambda c: scheduler.tasks_rescue(c, verdicts, now=now))


def a_hint_is_refused_that_was_claimed(model: CrashingLifecycle) -> None:
    """The push failed, but Redis had taken it: the dispatcher takes back what an executor runs already."""
    before = model.world.now.replace(year=2028)
    hint = queued(model)
    marked = model.world.run(lambda c: dispatcher.tasks_queued(c, before=before, after=None, most=10))
    model.claim(hint)
    model._step(Owner.DISPATCHER, lambda c: dispatcher.tasks_release(c, marked))


def a_task_kills_whoever_runs_it(model: CrashingLifecycle) -> None:
    _, attempt = running(model)
    for _ in range(LIMIT - 1):
        model.others_run_what_lost_executors_held(1)
    model.time_passes(60, "rescue")
    assert model.world.rows[attempt.task_id].state is State.DEAD, "it would kill executors for ever"


def hints_never_reach_redis(model: CrashingLifecycle) -> None:
    """How it ends is checked when the model is torn down."""
    model.submit(0, None, 1, Delivery.AT_LEAST_ONCE, 50.0)
    assert model.a_dispatcher_dies_while_it_pushes(1, 0).values == ()


def a_submission_is_repeated(model: CrashingLifecycle) -> None:
    model.an_answer_is_lost_and_the_submission_repeated()


def two_claim_one_hint(model: CrashingLifecycle) -> None:
    hint = queued(model)
    model.two_executors_claim_at_once(hint, hint)


def an_attempt_is_ended_by_two(model: CrashingLifecycle) -> None:
    _, attempt = running(model)
    model.an_attempt_is_ended_twice_at_once(attempt, Completed(b"1"))
