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

_OF_TASKS: Final = frozenset({Event.COMPLETE.value, Event.DEAD.value})


class NotificationRules:
    """The rules of all tenants.

    Args:
        engine: in autocommit.
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
            if coverage.events & _OF_TASKS:
                rules[tenant].append(coverage)
        self._rules = dict(rules)

    def cover(self, tenant: UUID, handler: str, queue: str, tags: Sequence[str]) -> bool:
        """Tell whether a rule of a tenant covers a task, however it ends."""
        rules = self._rules.get(tenant)
        return rules is not None and any(rule.covers(handler, queue, tags) for rule in rules)
