"""Makes notifications of what has ended: `(new) -> ready`.

The end of a task is committed together with what it owes: the row that says `complete` says `owes`, whoever wrote it.
This sweep pays: in one transaction it inserts a task for each who is to be told, and strikes the debt off. So nothing
is told twice or not at all, and the statement that ends tasks has no part in it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from tidewheel_common.core.notice import Event
from tidewheel_common.crypto.sealed import Sealer, Subject, Unsealable
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_executor import notice_queries as queries
from tidewheel_executor.notice_queries import Notice, OwingFire, OwingTask, Rule

EVERY = 0.5
"""Seconds between two looks at an index that is empty when nothing is owed."""

BATCH = 200

GONE = "Gone"
"""The type of error with which a notification ends whose target wants none any more."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Tells of what has ended.

    Attributes:
        engine: with transactions.
        sealer: opens whom to tell, and seals what is told.
        new_id: makes UUIDv7.
        size: the most tasks, and the most fires, of one tick.
    """

    engine: Engine
    sealer: Sealer
    new_id: Callable[[], UUID]
    size: int = BATCH

    async def tick(self, now: datetime | None = None) -> float | None:
        """Pay what one batch owes."""
        async with self.engine.begin() as connection:
            tasks = await queries.tasks_owing(connection, size=self.size)
            fires = await queries.fires_owing(connection, size=self.size)
            if not tasks and not fires:
                return None
            rules: defaultdict[UUID, list[Rule]] = defaultdict(list)
            tenants = {task.tenant_id for task in tasks} | {fire.tenant_id for fire in fires}
            for rule in await queries.rules_of(connection, tenants):
                rules[rule.tenant_id].append(rule)
            notes = {task.id: self._note(task) for task in tasks}
            notices = [
                *(each for task in tasks for each in self._of_task(task, notes[task.id], rules[task.tenant_id])),
                *(each for fire in fires for each in self._of_fire(fire, rules[fire.tenant_id])),
            ]
            if notices:
                await queries.notices_insert(connection, notices, now=now)
            if gone := [UUID(unwanted) for task in tasks if (unwanted := _unwanted(task, notes[task.id])) is not None]:
                await queries.rules_disable(connection, gone, reason="The endpoint answered 410 Gone.", now=now)
            await queries.tasks_settle(connection, [task.id for task in tasks])
            await queries.fires_settle(connection, fires)
        return AGAIN if self.size in (len(tasks), len(fires)) else None

    def _note(self, task: OwingTask) -> Json:
        """Return the note of whom a task's end concerns; one that does not open concerns nobody."""
        if task.notify is None:
            return {}
        return self._opened(task.notify, tenant=task.tenant_id, task_id=task.id, field="notify")

    def _of_task(self, task: OwingTask, note: Json, rules: Sequence[Rule]) -> Iterator[Notice]:
        if "rule" in note or task.state not in (Event.COMPLETE, Event.DEAD):
            return  # a notification tells nobody of itself
        about = {
            "event": task.state,
            "task_id": str(task.id),
            "handler": task.handler,
            "queue": task.queue,
            "tags": task.tags,
            "attempt": task.attempt,
            "reason": task.reason,
            "error_type": task.error_type,
            "schedule_id": None if task.schedule_id is None else str(task.schedule_id),
            "at": task.finished_at.isoformat(),
        }
        for target in note.get("targets", ()):
            if task.state in target["on"]:
                yield self._made(task.tenant_id, target, about, traceparent=task.traceparent)
        yield from self._by_rules(rules, task, about, traceparent=task.traceparent)

    def _of_fire(self, fire: OwingFire, rules: Sequence[Rule]) -> Iterator[Notice]:
        about = {
            "event": fire.outcome,
            "schedule_id": str(fire.schedule_id),
            "schedule": fire.name,
            "handler": fire.handler,
            "queue": fire.queue,
            "tags": fire.tags,
            "nominal_at": fire.nominal_at.isoformat(),
            "task_id": None if fire.task_id is None else str(fire.task_id),
            "reason": fire.reason,
            "at": fire.fired_at.isoformat(),
        }
        yield from self._by_rules(rules, fire, about)

    def _by_rules(
        self, rules: Sequence[Rule], what: OwingTask | OwingFire, about: Json, *, traceparent: str | None = None
    ) -> Iterator[Notice]:
        for rule in rules:
            if about["event"] in rule.coverage.events and rule.coverage.covers(what.handler, what.queue, what.tags):
                target = self._opened(rule.target, tenant=rule.tenant_id, rule_id=rule.id, field="target")
                if target:
                    yield self._made(rule.tenant_id, target, about, rule=rule, traceparent=traceparent)

    def _made(
        self, tenant: UUID, target: Json, about: Json, *, rule: Rule | None = None, traceparent: str | None = None
    ) -> Notice:
        task_id = self.new_id()
        payload = {**target["arguments"], "about": about}
        note = {"rule": None if rule is None else str(rule.id)}
        return Notice(
            id=task_id,
            tenant_id=tenant,
            handler=target["handler"],
            payload=self._sealed(payload, tenant, task_id, "payload"),
            traceparent=traceparent,
            note=self._sealed(note, tenant, task_id, "notify"),
            owes=rule is not None,
        )

    def _sealed(self, document: Json, tenant: UUID, task_id: UUID, field: str) -> bytes:
        text = json.dumps(document, separators=(",", ":")).encode()
        return self.sealer.seal(text, tenant=tenant, subject=Subject.task(task_id), field=field)

    def _opened(
        self, sealed: bytes, *, tenant: UUID, field: str, task_id: UUID | None = None, rule_id: UUID | None = None
    ) -> Json:
        try:
            text = self.sealer.open(
                sealed, tenant=tenant, task_id=task_id, schedule_id=None, rule_id=rule_id, field=field
            )
        except Unsealable as error:
            log.warning("nobody can be told", task_id=task_id, rule_id=rule_id, error=str(error))
            return {}
        document: Json = json.loads(text)
        return document


def _unwanted(task: OwingTask, note: Json) -> str | None:
    """Return the rule that a notification came from whose target wants none any more."""
    rule: str | None = note.get("rule") if task.error_type == GONE else None
    return rule
