"""How long a failed task waits before it is tried again."""

from tidewheel_common.core.task import Retry


def backoff(retry: Retry, failures: int, jitter: float) -> float:
    """Return the seconds to wait after the given number of failures.

    Exponential with proportional jitter: `min(maximum, initial * factor ** (failures - 1))`, spread by up to
    `± retry.jitter` of itself so that tasks that failed together do not come back together
    (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

    Args:
        retry: the task's own policy.
        failures: how often it has failed, this time included; at least 1.
        jitter: a number in [0, 1) that the caller has drawn.
    """
    # A float power overflows near 1024 doublings; by then any maximum has long been reached.
    exponent = min(failures - 1, 512)
    try:
        delay = min(retry.maximum, retry.initial * retry.factor**exponent)
    except OverflowError:
        delay = retry.maximum
    return max(0.0, delay * (1.0 + retry.jitter * (2.0 * jitter - 1.0)))
