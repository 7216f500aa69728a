"""Makes notifications of what has ended, and of what has not begun in time: `(new) -> ready`.

The end of a task is committed together with what it owes: the row that says `complete` says `owes`, whoever wrote it.
This sweep pays: in one transaction it inserts a task for each who is to be told, and strikes the debt off. So nothing
is told twice or not at all, and the statement that ends tasks has no part in it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from tidewheel_common.core.notice import Event
from tidewheel_common.crypto.sealed import Sealer, Subject, Unsealable
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Engine
from tidewheel_executor import lapses as lapsing
from tidewheel_executor import notice_queries as queries
from tidewheel_executor.lapses import Json, Wish
from tidewheel_executor.notice_queries import LapsedTask, Notice, OwingFire, OwingTask, Rule

EVERY = 0.5
"""Seconds between two looks at an index that is empty when nothing is owed."""

BATCH = 200

GONE = "Gone"
"""The type of error with which a notification ends whose target wants none any more."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Tells of what has ended.

    Attributes:
        engine: with transactions.
        sealer: opens whom to tell, and seals what is told.
        new_id: makes UUIDv7.
        size: the most ends, the most fires and the most late tasks of one tick.
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
            lapses = await queries.tasks_lapsed(connection, size=self.size)
            if not tasks and not fires and not lapses:
                return None
            rules: defaultdict[UUID, list[Rule]] = defaultdict(list)
            concerned: list[OwingTask | OwingFire | LapsedTask] = [*tasks, *fires, *lapses]
            for rule in await queries.rules_of(connection, {each.tenant_id for each in concerned}):
                rules[rule.tenant_id].append(rule)
            notes = {task.id: self._note(task) for task in tasks}
            split = {lapse.id: self._split(lapse, rules[lapse.tenant_id]) for lapse in lapses}
            notices = [
                *(each for task in tasks for each in self._of_task(task, notes[task.id], rules[task.tenant_id])),
                *(each for fire in fires for each in self._of_fire(fire, rules[fire.tenant_id])),
                *(each for lapse in lapses for each in self._of_lapse(lapse, split[lapse.id][0])),
            ]
            if notices:
                await queries.notices_insert(connection, notices, now=now)
            if gone := [UUID(unwanted) for task in tasks if (unwanted := _unwanted(task, notes[task.id])) is not None]:
                await queries.rules_disable(connection, gone, reason="The endpoint answered 410 Gone.", now=now)
            await queries.tasks_settle(connection, [task.id for task in tasks])
            await queries.fires_settle(connection, fires)
            if lapses:
                following = {task_id: next_at for task_id, (_, next_at) in split.items()}
                await queries.lapses_settle(connection, following)
        return AGAIN if self.size in (len(tasks), len(fires), len(lapses)) else None

    def _note(self, what: OwingTask | LapsedTask | OwingFire) -> Json:
        """Return the note of whom something concerns; one that does not open concerns nobody."""
        if what.notify is None:
            return {}
        task_id = None if isinstance(what, OwingFire) else what.id
        return self._opened(
            what.notify, tenant=what.tenant_id, task_id=task_id, schedule_id=what.schedule_id, field="notify"
        )

    def _split(self, lapse: LapsedTask, rules: Sequence[Rule]) -> tuple[list[Wish], datetime | None]:
        return lapsing.split(lapse, lapsing.wishes(lapse, self._note(lapse), rules))

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
        for target in self._note(fire).get("targets", ()):
            if fire.outcome in target["on"]:
                yield self._made(fire.tenant_id, target, about)
        yield from self._by_rules(rules, fire, about)

    def _of_lapse(self, lapse: LapsedTask, wishes: Sequence[Wish]) -> Iterator[Notice]:
        about = {
            "event": Event.LATE.value,
            "task_id": str(lapse.id),
            "handler": lapse.handler,
            "queue": lapse.queue,
            "tags": lapse.tags,
            "late_at": lapse.late_at.isoformat(),
            "schedule_id": None if lapse.schedule_id is None else str(lapse.schedule_id),
            "at": lapse.lapsed_at.isoformat(),
        }
        for wish in wishes:
            target = wish.target or (self._target(wish.rule) if wish.rule is not None else {})
            if target:
                yield self._made(lapse.tenant_id, target, about, rule=wish.rule, traceparent=lapse.traceparent)

    def _by_rules(
        self, rules: Sequence[Rule], what: OwingTask | OwingFire, about: Json, *, traceparent: str | None = None
    ) -> Iterator[Notice]:
        for rule in rules:
            covers = rule.coverage.covers(what.handler, what.queue, what.tags)
            if about["event"] in rule.coverage.events and covers and (target := self._target(rule)):
                yield self._made(rule.tenant_id, target, about, rule=rule, traceparent=traceparent)

    def _target(self, rule: Rule) -> Json:
        return self._opened(rule.target, tenant=rule.tenant_id, rule_id=rule.id, field="target")

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
        self,
        sealed: bytes,
        *,
        tenant: UUID,
        field: str,
        task_id: UUID | None = None,
        schedule_id: UUID | None = None,
        rule_id: UUID | None = None,
    ) -> Json:
        try:
            text = self.sealer.open(
                sealed, tenant=tenant, task_id=task_id, schedule_id=schedule_id, rule_id=rule_id, field=field
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
