"""Keeps an app's `beat_schedule` in the table of schedules, so that an app which uses Celery Beat needs no change.

It happens once, at the start of each scheduler, under a lock: any number of them may start at once. From then on an
entry fires as every schedule does, once for each nominal time, however many schedulers run.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from celery import Celery
from prometheus_client import Gauge

from tidewheel_common.core.errors import InvalidSchedule
from tidewheel_common.core.plan import Plan
from tidewheel_common.core.rule import read_rule
from tidewheel_common.crypto.sealed import Sealer, Subject, Unsealable
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.store.ids import uuid7
from tidewheel_scheduler import sync_queries as queries
from tidewheel_scheduler.beat_entries import BeatEntry, read_entries
from tidewheel_scheduler.sync_queries import Plot, Synced

TENANT = "default"

EVERY = 3600.0
"""Seconds; nothing is left to do after the first tick."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Sync:
    """Synchronises once; a tick that was cut short by a lost connection is made again."""

    engine: Engine
    sealer: Sealer
    app: Celery
    wake_fire: Callable[[], None]
    refused: Gauge
    new_id: Callable[[], UUID] = uuid7
    done: bool = False

    async def tick(self, now: datetime | None = None) -> float | None:
        """Create, change, pause and resume what came from the app."""
        if self.done:
            return None
        entries, refused = read_entries(self.app)
        self._tell(entries, refused)
        async with self.engine.begin() as connection:
            await queries.sync_lock(connection)
            tenant, instant = await queries.tenant_ensure(connection, self.new_id(), TENANT, now=now)
            kept = await queries.synced_find(connection, tenant)
            for entry in entries:
                await self._keep(connection, tenant, entry, kept.get(entry.name), instant)
            # What is refused today was perhaps taken yesterday: it must not go on as it was.
            names = [entry.name for entry in entries]
            gone = await queries.synced_pause(connection, names, tenant_id=tenant, now=instant)
        log.info("beat schedule synchronised", entries=len(entries), refused=len(refused), paused=gone)
        self.done = True
        self.wake_fire()
        return None

    def _tell(self, entries: Sequence[BeatEntry], refused: Mapping[str, str]) -> None:
        """Say what is not followed: entries that do not fit, and options that mean nothing here."""
        for name, reason in refused.items():
            log.warning("beat entry refused", entry=name, error=reason)
        for entry in entries:
            if entry.ignored:
                log.warning("beat options ignored", entry=entry.name, options=list(entry.ignored))
        self.refused.set(len(refused))

    async def _keep(
        self, connection: Connection, tenant: UUID, entry: BeatEntry, kept: Synced | None, now: datetime
    ) -> None:
        try:
            anchor = now if kept is None or kept.every != entry.every else kept.starts_at
            following = _plan(entry, anchor).next_after(now)
        except InvalidSchedule as error:
            log.warning("beat entry refused", entry=entry.name, error=str(error))
            return
        if kept is None:
            schedule_id = self.new_id()
            plot = Plot(starts_at=now, next_run_at=following, paused_at=None)
            sealed = self._seal(tenant, schedule_id, entry)
            if not await queries.synced_insert(
                connection, entry, tenant_id=tenant, schedule_id=schedule_id, payload=sealed, plot=plot
            ):
                reason = "A schedule that somebody made has this name; rename one of the two."
                log.warning("beat entry refused", entry=entry.name, error=reason)
        elif kept.removed or self._differs(tenant, entry, kept):
            paused_at = None if kept.removed else kept.paused_at
            plot = Plot(starts_at=anchor, next_run_at=None if paused_at is not None else following, paused_at=paused_at)
            sealed = self._seal(tenant, kept.id, entry)
            await queries.synced_update(connection, entry, schedule_id=kept.id, payload=sealed, plot=plot, now=now)

    def _seal(self, tenant: UUID, schedule_id: UUID, entry: BeatEntry) -> bytes:
        subject = Subject.schedule(schedule_id)
        return self.sealer.seal(entry.payload.encode(), tenant=tenant, subject=subject, field="payload")

    def _differs(self, tenant: UUID, entry: BeatEntry, kept: Synced) -> bool:
        columns = ("handler", "queue", "every", "cron", "timezone", "max_attempts", "priority", "timeout")
        if any(getattr(entry, name) != getattr(kept, name) for name in columns):
            return True
        given, known = json.loads(entry.rule), json.loads(kept.rule)
        if any(given.get(name) != known.get(name) for name in ("specs", "expires_after")):
            return True
        try:
            payload = self.sealer.open(kept.payload, tenant=tenant, task_id=None, schedule_id=kept.id, field="payload")
        except Unsealable:
            return True
        return payload != entry.payload.encode()


def _plan(entry: BeatEntry, anchor: datetime) -> Plan:
    rule = read_rule(every=entry.every, cron=entry.cron, timezone=entry.timezone, starts_at=anchor, rule=entry.rule)
    return rule.plan
