"""Accepts submissions: seals them, commits them together with others, and wakes whoever goes on with them."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic_core import to_json

from tidewheel_common.core.fields import PRIORITIES
from tidewheel_common.core.notification import note, soonest
from tidewheel_common.core.submission import Candidate, TaskSubmission
from tidewheel_common.crypto.sealed import Sealer, Subject
from tidewheel_common.process.failpoints import fp
from tidewheel_common.store.engine import Engine
from tidewheel_common.store.errors import is_transient
from tidewheel_gateway import queries
from tidewheel_gateway.coalesce import Coalescer, Full
from tidewheel_gateway.express import Express, committed
from tidewheel_gateway.idempotency import InFlight, busy
from tidewheel_gateway.linked import Order, Placed, accept_linked
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_gateway.notification_rules import NotificationRules
from tidewheel_gateway.problems import RETRY_SOON, Problem
from tidewheel_gateway.records import Acceptance, Accepted, KeyBusy, KeyTaken, Stored, Submission, TaskRow
from tidewheel_gateway.rooms import Rooms
from tidewheel_gateway.wakeups import Wakeups

SOON: Final = timedelta(seconds=2)
"""What is due within this time is announced to the scheduler, whose next look may come later."""

TAG_SEPARATOR: Final = "\x1f"

_BYTES_PER_WEIGHT = 4096


class Acceptor:
    """Takes submissions in.

    Args:
        engine: the one statement of a flight is its transaction.
        sealer: seals payloads.
        wakeups: told after the commit; they never delay or fail it.
        metrics: counts flights and tasks.
        rules: say whether somebody is to be told of a task.
        rooms: says what need not wait for the dispatcher.
        express: sends that straight to its stream.
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        wakeups: Wakeups,
        metrics: GatewayMetrics,
        *,
        rules: NotificationRules,
        rooms: Rooms,
        express: Express,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._wakeups = wakeups
        self._metrics = metrics
        self._rules = rules
        self._rooms = rooms
        self._express = express
        self._in_flight = InFlight()
        self._coalescer: Coalescer[Submission, Acceptance] = Coalescer(self._fly, weigh=_weigh, shared=is_transient)

    def row(self, tenant: UUID, task_id: UUID, candidate: Candidate, traceparent: str | None) -> TaskRow:
        """Return a candidate as it will be stored, its payload sealed."""
        spec = candidate.spec
        subject = Subject.task(task_id)
        sealed = self._sealer.seal(candidate.payload, tenant=tenant, subject=subject, field="payload")
        notify = None
        if spec.notify:
            notify = self._sealer.seal(note(spec.notify), tenant=tenant, subject=subject, field="notify")
        return TaskRow(
            id=task_id,
            tenant_id=tenant,
            handler=spec.handler,
            queue=spec.queue,
            priority=PRIORITIES[spec.priority],
            payload=sealed,
            max_attempts=spec.max_attempts,
            timeout=spec.timeout,
            backoff=None if spec.backoff is None else to_json(spec.backoff).decode(),
            removal_delay=spec.removal_delay,
            delivery=spec.delivery,
            tags=TAG_SEPARATOR.join(spec.tags),
            traceparent=traceparent,
            run_at=spec.run_at,
            delay=candidate.delay,
            expires_at=spec.expires_at,
            on_parent_failure=spec.on_parent_failure if spec.depends_on else None,
            unique_key=spec.unique_key,
            concurrency_key=spec.concurrency_key,
            concurrency_limit=spec.concurrency_limit,
            notify=notify,
            owes=notify is not None or self._rules.cover(tenant, spec.handler, spec.queue, spec.tags),
            late_after=self._late_after(tenant, spec),
        )

    def _late_after(self, tenant: UUID, spec: TaskSubmission) -> timedelta | None:
        own = soonest(spec.notify) if spec.notify else None
        covered = self._rules.late_after(tenant, spec.handler, spec.queue, spec.tags)
        seconds = min(own, covered) if own and covered else own or covered
        return timedelta(seconds=seconds) if seconds else None

    async def accept(self, submission: Submission) -> Accepted | Stored:
        """Commit a submission, or return what was committed under its key before.

        Raises:
            Problem: its key is being worked on, or too much is held already.
        """
        if submission.key is None:
            outcome = await self._submit(submission)
        else:
            with self._in_flight.hold(submission.key):
                outcome = await self._submit(submission)
        match outcome:
            case Accepted():
                return outcome
            case KeyBusy():
                raise busy()
            case KeyTaken():
                return await self._taken(submission)

    async def accept_linked(self, order: Order) -> Placed:
        """Commit tasks whose fate hangs on others; the outcome may also be what the key stands for already.

        Raises:
            Problem: its key is being worked on.
        """
        with self._in_flight.hold(order.key) if order.key is not None else nullcontext():
            placed = await accept_linked(self._engine, order)
        match placed.outcome:
            case KeyBusy():
                raise busy()
            case Accepted(at) if placed.rows:
                self._metrics.accepted(len(placed.rows))
                self._announce(placed.rows, at)
                if placed.failed_parents:
                    self._wakeups.scheduler.wake()
        return placed

    async def find(self, tenant: UUID, key: str) -> Stored | None:
        """Return what was committed under a key."""
        async with self._engine.connect() as connection:
            return await queries.idempotency_find(connection, tenant, key)

    async def _taken(self, submission: Submission) -> Stored:
        use = submission.key
        stored = None if use is None else await self.find(use.tenant_id, use.key)
        fp("gateway.replaying")
        if stored is None:  # its time ended between the two looks
            raise busy()
        return stored

    async def _submit(self, submission: Submission) -> Acceptance:
        try:
            return await self._coalescer.submit(submission)
        except Full:
            raise Problem(
                "overloaded", "More tasks are waiting to be stored than may wait. Try again.", headers=RETRY_SOON
            ) from None

    async def _fly(self, submissions: Sequence[Submission]) -> list[Acceptance]:
        straight = self._rooms.take(row for submission in submissions for row in submission.rows)
        with self._metrics.flight(sum(len(submission.rows) for submission in submissions)):
            async with self._engine.connect() as connection:
                fp("gateway.before_insert")
                accepted = await queries.tasks_accept(connection, submissions, straight=straight)
        fp("gateway.after_insert")
        straight = committed(straight, submissions, accepted)
        self._express.send(straight)
        sent = {row.id for rows in straight.values() for row in rows}
        for submission, outcome in zip(submissions, accepted, strict=True):
            if isinstance(outcome, Accepted):
                self._metrics.accepted(len(submission.rows))
                self._announce([row for row in submission.rows if row.id not in sent], outcome.at)
        await asyncio.sleep(0)  # hints and wake-up leave now; the answers are made while others go on with the tasks
        return accepted

    def _announce(self, rows: Sequence[TaskRow], at: datetime) -> None:
        dues = [row.run_at or at + row.delay for row in rows if not row.pending_parents]
        if any(due <= at for due in dues):
            self._wakeups.dispatcher.wake()
        if any(at < due <= at + SOON for due in dues):
            self._wakeups.scheduler.wake()


def _weigh(submission: Submission) -> int:
    return len(submission.rows) + sum(len(row.payload) for row in submission.rows) // _BYTES_PER_WEIGHT
