"""What tenants' rules cover, kept at hand, so that accepting a task asks no database whether somebody is to be told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from tidewheel_common.core.notice import Coverage, Event
from tidewheel_common.store.engine import Engine
from tidewheel_gateway.notification_rule_queries import rules_live

EVERY: Final = 3.0
"""Seconds between two looks at the rules; how long another gateway may not know of a new one."""

_ENDS: Final = frozenset({Event.COMPLETE.value, Event.DEAD.value})


class NotificationRules:
    """The rules of all tenants.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules: Mapping[UUID, Sequence[Coverage]] = {}

    async def tick(self) -> None:
        """Read the rules."""
        async with self._engine.connect() as connection:
            found = await rules_live(connection)
        rules: defaultdict[UUID, list[Coverage]] = defaultdict(list)
        for tenant, coverage in found:
            if coverage.events & _ENDS or coverage.late_after is not None:
                rules[tenant].append(coverage)
        self._rules = dict(rules)

    def cover(self, tenant: UUID, handler: str, queue: str, tags: Sequence[str]) -> bool:
        """Tell whether a rule of a tenant covers the end of a task, however it ends."""
        if (rules := self._rules.get(tenant)) is None:
            return False
        return any(rule.events & _ENDS and rule.covers(handler, queue, tags) for rule in rules)

    def late_after(self, tenant: UUID, handler: str, queue: str, tags: Sequence[str]) -> float | None:
        """Return after how many seconds a task is late for a rule first; None when it is for none."""
        if (rules := self._rules.get(tenant)) is None:
            return None
        covering = (rule.late_after for rule in rules if rule.covers(handler, queue, tags))
        return min((seconds for seconds in covering if seconds is not None), default=None)
