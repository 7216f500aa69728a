"""What goes straight to its stream: tasks that nothing holds back, in lines that are open.

They are committed as `queued`, and then their hints are pushed, together with what else was committed meanwhile. When
that fails they are taken back, and wait for the dispatcher like all others; when this process dies in between, the
dispatcher misses their hints in the stream within seconds.
"""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.bundle_sizes import BundleSizes
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.spans import dispatch_spans
from tidewheel_common.streams.stream import Addressed, push
from tidewheel_gateway import queries
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_gateway.records import Acceptance, Accepted, Straight, Submission
from tidewheel_gateway.rooms import Rooms

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def committed(straight: Straight, submissions: Sequence[Submission], outcomes: Sequence[Acceptance]) -> Straight:
    """Return what of the chosen is committed as queued: what was accepted, where nothing is set for its queue."""
    held = {queue for outcome in outcomes if isinstance(outcome, Accepted) for queue in outcome.held}
    refused = {
        row.id
        for submission, outcome in zip(submissions, outcomes, strict=True)
        if not isinstance(outcome, Accepted)
        for row in submission.rows
    }
    return {
        line: [row for row in rows if row.id not in refused] if refused else rows
        for line, rows in straight.items()
        if line.queue not in held
    }


class Express:
    """Pushes hints.

    Args:
        engine: each statement is its own transaction.
        redis: where the streams are.
        rooms: told whether Redis takes them.
        metrics: counts them.
        left_over: called when tasks were taken back.
    """

    def __init__(
        self,
        engine: Engine,
        redis: Redis,
        rooms: Rooms,
        metrics: GatewayMetrics,
        *,
        left_over: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._redis = redis
        self._rooms = rooms
        self._metrics = metrics
        self._left_over = left_over
        self._bundle_sizes = BundleSizes(redis)
        self._hints: list[Addressed] = []
        self._sender: asyncio.Task[None] | None = None

    def send(self, straight: Straight) -> None:
        """Have the hints of tasks pushed that are committed as queued; nobody waits for it."""
        self._hints += [
            Addressed(line, Hint(row.id, 0, row.handler, row.timeout, 0, row.traceparent))
            for line, rows in straight.items()
            for row in rows
        ]
        if self._hints and (self._sender is None or self._sender.done()):
            self._sender = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self._hints:
            hints, self._hints = self._hints, []
            try:
                if len(hints) > 1:
                    await self._bundle_sizes.refresh()
                with dispatch_spans(hints) as traced:
                    await push(self._redis, traced, size_of=self._bundle_sizes.of)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the dispatcher has them then
                self._rooms.shun(error)
                await self._take_back([hint.task_id for _, hint in hints])
            else:
                self._rooms.trust()
                self._metrics.straight(len(hints))

    async def _take_back(self, ids: Sequence[UUID]) -> None:
        try:
            async with self._engine.connect() as connection:
                released = await queries.tasks_release(connection, ids)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the overdue sweep finds them
            log.warning("hints refused, tasks not taken back", tasks=len(ids), error_type=type(error).__name__)
            return
        log.warning("hints refused", tasks=len(ids), released=released)
        self._left_over()

    async def close(self) -> None:
        """Let what is committed leave, and disconnect."""
        if self._sender is not None:
            await self._sender
        await self._redis.aclose()
