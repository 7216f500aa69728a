"""What keeps a queue's tasks back: a pause, a rate, a limit to how many run at once. Pure.

The dispatcher decides by these functions what may go to Redis, and the gateway explains by the same ones why it does
not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Valve:
    """What is set for a queue.

    Attributes:
        name: the queue.
        paused_at: since when it is paused; a pause whose `paused_until` has passed is over.
        paused_until: when the pause ends by itself.
        rate: tasks a second.
        concurrency: tasks that may be queued or running at once.
        tokens: how many tasks the rate left over at `tokens_at`; None before the first was dispatched.
    """

    name: str
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    rate: float | None = None
    concurrency: int | None = None
    tokens: float | None = None
    tokens_at: datetime | None = None

    @property
    def limited(self) -> bool:
        """Whether how many go has to be counted."""
        return self.rate is not None or self.concurrency is not None

    def paused(self, now: datetime) -> bool:
        """Tell whether nothing may go."""
        return self.paused_at is not None and (self.paused_until is None or self.paused_until > now)

    def saved(self, now: datetime) -> float | None:
        """Return how many tasks the rate allows now; None when there is no rate.

        At most one second's worth is saved up, and never less than one task: or a slow rate would let nothing go.
        """
        if self.rate is None:
            return None
        most = max(1.0, self.rate)
        if self.tokens is None or self.tokens_at is None:
            return most
        elapsed = max(0.0, (now - self.tokens_at).total_seconds())
        return min(most, self.tokens + self.rate * elapsed)

    def next_token(self, now: datetime) -> datetime | None:
        """Return when the rate lets the next task go; None when it would now."""
        saved = self.saved(now)
        if saved is None or self.rate is None or saved >= 1:
            return None
        return now + timedelta(seconds=(1 - saved) / self.rate)

    def allowance(self, now: datetime, in_flight: int) -> int | None:
        """Return how many more tasks may go now; None when nothing limits them.

        Args:
            now: the database's clock.
            in_flight: the queue's tasks that are queued or running.
        """
        if self.paused(now):
            return 0
        saved = self.saved(now)
        limits = [floor(saved)] if saved is not None else []
        if self.concurrency is not None:
            limits.append(max(0, self.concurrency - in_flight))
        return min(limits) if limits else None
