"""From the columns of a task to what a decision about it needs to know."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tidewheel_common.core.decide import Standing
from tidewheel_common.core.task import Delivery, Retry

LONGEST_WAIT = 10 * 365 * 86_400.0
"""Seconds; whoever asks for a longer wait gets this one."""


_DELIVERIES = {delivery.value: delivery for delivery in Delivery}

LONGEST_INTERRUPTION = 60.0
"""Seconds that a task waits at most which is interrupted again and again."""


def pause_of(task: Any) -> float:
    """Return the seconds before an attempt that was given back is made again.

    The first one comes again at once: most often an executor was asked to stop. What is given back time and again costs
    no failure, so it would spin for ever if it did not wait longer each time.

    Args:
        task: its columns: a `Claimed`, or a row, as they are while this attempt runs.
    """
    before: int = task.attempt - 1 - task.failures - task.lost
    return min(LONGEST_INTERRUPTION, 2.0 ** min(before - 1, 16)) if before > 0 else 0.0


def standing_of(task: Any, max_attempts: int, *, cancel_requested: bool = False) -> Standing:
    """Return what a decision needs to know.

    Args:
        task: its columns: a `Claimed`, or a row.
        max_attempts: the task's own, or less when its handler wants it so.
        cancel_requested: whether somebody has asked for its cancellation.
    """
    retry = policy(task.backoff, max_attempts)
    return Standing(task.failures, task.lost, _DELIVERIES[task.delivery], retry, cancel_requested)


def policy(backoff: Mapping[str, Any] | None, max_attempts: int) -> Retry:
    """Read a task's policy, `initial`, `factor`, `max` and `jitter`; one that makes no sense is left aside."""
    default = _default(max_attempts)
    if not backoff:
        return default
    try:
        return Retry(
            max_attempts=max_attempts,
            initial=float(backoff.get("initial", default.initial)),
            factor=float(backoff.get("factor", default.factor)),
            maximum=min(float(backoff.get("max", default.maximum)), LONGEST_WAIT),
            jitter=float(backoff.get("jitter", default.jitter)),
        )
    except (ValueError, TypeError, AttributeError):
        return default


@lru_cache(maxsize=256)
def _default(max_attempts: int) -> Retry:
    return Retry(max_attempts=max_attempts)
