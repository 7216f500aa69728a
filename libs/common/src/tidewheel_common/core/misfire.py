"""What becomes of due times when the scheduler comes late: the misfire policy of a schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SKIP_GRACE = 60.0
"""Seconds by which a time may be late under `skip` when the schedule does not say."""

MOST_CAUGHT_UP = 1000


class Misfire(StrEnum):
    """The policies. Whatever does not fire is written down as missed, with the reason."""

    LATEST = "latest"
    """Of all due times only the last one fires."""
    SKIP = "skip"
    """A time fires within its grace window (a minute unless the schedule says otherwise), or never."""
    ALL = "all"
    """Every due time fires, up to a limit; beyond it the oldest are missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisfirePolicy:
    """A policy with its bounds.

    Attributes:
        policy: which.
        limit: how many due times fire in one turn, under `skip` and `all`.
        grace: seconds after which a due time no longer fires; None: never too late (under `skip`, a minute).
    """

    policy: Misfire = Misfire.LATEST
    limit: int = 100
    grace: float | None = None

    @property
    def window(self) -> float | None:
        """Seconds by which a time may be late."""
        return SKIP_GRACE if self.grace is None and self.policy is Misfire.SKIP else self.grace


def judge(policy: MisfirePolicy, times: Sequence[datetime], now: datetime) -> list[str | None]:
    """Return for each due time, in order, why it is missed, as a sentence; None for those that fire."""
    most = 1 if policy.policy is Misfire.LATEST else policy.limit
    first = len(times) - most
    return [
        _too_late(policy, time, now) or (_crowded(policy) if place < first else None)
        for place, time in enumerate(times)
    ]


def _too_late(policy: MisfirePolicy, time: datetime, now: datetime) -> str | None:
    if policy.window is None or now - time <= timedelta(seconds=policy.window):
        return None
    late = (now - time).total_seconds()
    return f"The scheduler came {late:.1f} s late; the grace window is {policy.window:g} s."


def _crowded(policy: MisfirePolicy) -> str:
    if policy.policy is Misfire.LATEST:
        return "A later time was due as well; under the misfire policy `latest` only the last one fires."
    return f"More than {policy.limit} times were due at once; only the last {policy.limit} fire."
