"""How many tasks each tenant may submit, so that one which offers too much is told so and the others notice nothing.

It is counted in this process alone, without asking anybody: several gateways let through as many times as much.
"""

import math
from collections.abc import Callable
from typing import Final
from uuid import UUID

from tidewheel_gateway.problems import Problem

SAVED: Final = 10.0
"""Seconds of its rate that a tenant saves up at most while it submits nothing, and may then spend at once."""

MOST_KEPT: Final = 10_000


class Allowance:
    """A bucket of tokens for each tenant, which fills at a steady rate; a task costs one.

    Whoever owes nothing may submit, however much it is at once, and waits afterwards until that is paid: a batch need
    not fit into the bucket, and the rate is kept all the same.

    Args:
        rate: tasks a second of one tenant; None for no limit.
        monotonic: seconds that never jump.
    """

    def __init__(self, rate: float | None, *, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._free_at: dict[UUID, float] = {}

    def admit(self, tenant: UUID) -> None:
        """Let a call in that submits one task, or more that are charged later.

        Raises:
            Problem: the tenant has to wait first.
        """
        if self._rate is None:
            return
        wait = self._free_at.get(tenant, -math.inf) - self._monotonic()
        if wait > 0:
            raise _too_fast(self._rate, wait)
        self.charge(tenant, 1)

    def charge(self, tenant: UUID, tasks: int) -> None:
        """Charge a tenant for tasks that have come with a call."""
        if self._rate is None:
            return
        now = self._monotonic()
        if len(self._free_at) >= MOST_KEPT and tenant not in self._free_at:
            self._free_at.clear()
        # When it will owe nothing: that says as much as a level and when it was read.
        self._free_at[tenant] = max(self._free_at.get(tenant, -math.inf), now - SAVED) + tasks / self._rate


def _too_fast(rate: float, wait: float) -> Problem:
    return Problem(
        "too_many_tasks",
        f"A tenant may submit {rate:g} tasks a second here, and yours come faster. Try again after as many seconds as "
        "`Retry-After` says; nothing of this call was accepted.",
        headers={"Retry-After": str(math.ceil(wait))},
    )
