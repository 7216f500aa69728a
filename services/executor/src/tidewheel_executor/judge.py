"""What becomes of a task whose handler has ended, and who in Celery's world hears of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from celery.app.task import Context
from celery.exceptions import Ignore, Reject, Retry

from tidewheel_common.core.decide import Transition, complete, decide
from tidewheel_common.core.lifecycle import State
from tidewheel_common.core.outcome import Cancelled, Completed, Failed, Interrupted, Lost, Outcome, Refused
from tidewheel_common.core.task import Delivery
from tidewheel_executor import listeners
from tidewheel_executor.attempt import Attempt
from tidewheel_executor.claim import Claimed
from tidewheel_executor.explain import describe, explain, type_name
from tidewheel_executor.handlers import Handler
from tidewheel_executor.result import encode
from tidewheel_executor.standing import pause_of, standing_of


class Item(NamedTuple):
    """A claimed task, ready to run."""

    claimed: Claimed
    handler: Handler
    kwargs: dict[str, Any]
    request: Context
    attempt: Attempt


class Ended(NamedTuple):
    """How an attempt ended, and what becomes of its task."""

    claimed: Claimed
    max_attempts: int
    """The task's own, or less when its handler wants it so."""
    outcome: Outcome
    transition: Transition
    seconds: float = 0.0

    def cancelled(self) -> "Ended":
        """Decide anew, now that somebody has asked for the task's cancellation."""
        standing = standing_of(self.claimed, self.max_attempts, cancel_requested=True)
        return self._replace(transition=decide(standing, self.outcome, jitter=0.0))


class ResultTooLarge(Exception):
    """What Celery's listeners hear of a result that was refused."""


class Judge:
    """Decides what becomes of tasks.

    Args:
        jitter: draws from [0, 1) for a backoff.
    """

    def __init__(self, *, jitter: Callable[[], float]) -> None:
        self._jitter = jitter

    def unstarted(self, claimed: Claimed, outcome: Refused | Interrupted | Cancelled) -> Ended:
        """Judge a task whose handler was not called; Celery's listeners hear nothing of it."""
        if outcome == Interrupted():
            outcome = Interrupted(pause_of(claimed))
        return self._decide(claimed, outcome, claimed.max_attempts, 0.0)

    def aborted(self, claimed: Claimed, seconds: float) -> Ended:
        """Judge a task whose handler was torn down with its process."""
        outcome = Lost() if claimed.delivery == Delivery.AT_MOST_ONCE else Interrupted(pause_of(claimed))
        return self._decide(claimed, outcome, claimed.max_attempts, seconds)

    def broken(self, claimed: Claimed, error: BaseException) -> Ended:
        """Judge a task that something around its handler has failed; it counts, so that it cannot spin."""
        return self._decide(claimed, Failed(describe(error), type_name(error)), claimed.max_attempts, 0.0)

    def returned(self, item: Item, value: object, seconds: float) -> Ended:
        """Judge a task whose handler returned."""
        if item.attempt.promised is not None:
            return self.raised(item, item.attempt.promised, seconds)
        claimed, outcome = item.claimed, encode(value)
        if isinstance(outcome, Completed):
            listeners.succeeded(item.handler.task, item.request, item.handler.hooks, value, seconds)
            transition = complete(claimed.failures, claimed.lost)
            return Ended(claimed, claimed.max_attempts, outcome, transition, seconds)
        listeners.failed(item.handler.task, item.request, item.handler.hooks, ResultTooLarge(outcome.error))
        return self._decide(claimed, outcome, claimed.max_attempts, seconds)

    def raised(self, item: Item, error: BaseException, seconds: float) -> Ended:
        """Judge a task whose handler raised."""
        if item.attempt.is_aborted:
            return self.cancelled(item, error, seconds)
        outcome = explain(error, item.claimed)
        if isinstance(outcome, Failed) and not _may_come_again(item, error):
            outcome = Refused(outcome.error, outcome.error_type)
        ended = self._decide(item.claimed, outcome, item.attempt.most_retries + 1, seconds)
        task, request, hooks = item.handler.task, item.request, item.handler.hooks
        if isinstance(error, Ignore | Reject):
            listeners.left(task, request, error)
        elif ended.transition.state is State.WAITING:
            reason: Any = error
            listeners.retried(
                task,
                request,
                hooks,
                error if isinstance(error, Retry) else Retry(exc=reason).with_traceback(error.__traceback__),
            )
        else:
            listeners.failed(task, request, hooks, (isinstance(error, Retry) and error.exc) or error)
        return ended

    def cancelled(self, item: Item, error: BaseException, seconds: float) -> Ended:
        """Judge a task that was stopped because somebody asked for it; what it raised meanwhile says no more."""
        listeners.revoked(item.handler.task, item.request, error)
        return self._decide(item.claimed, Cancelled(), item.claimed.max_attempts, seconds)

    def _decide(self, claimed: Claimed, outcome: Outcome, max_attempts: int, seconds: float) -> Ended:
        standing = standing_of(claimed, max_attempts)
        # Only a failure draws: everything else has no use for it, and most tasks complete.
        jitter = self._jitter() if isinstance(outcome, Failed | Lost) else 0.0
        transition = decide(standing, outcome, jitter=jitter)
        return Ended(claimed, max_attempts, outcome, transition, seconds)


def _may_come_again(item: Item, error: BaseException) -> bool:
    """Tell whether a failure may be followed by another attempt; one that exhausts the attempts is left to them."""
    if isinstance(error, Retry) or not item.handler.wishes.as_in_celery:
        return True
    return item.claimed.failures >= item.attempt.most_retries
