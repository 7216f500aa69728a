"""Where the executor hooks into the life of Celery's worker.

Celery starts steps one after the other and stops them in reverse. `Retire` stands first, so it stops last, when every
child has finished; `Accompany` comes after the pool, so its threads start after the first fork.
"""

from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.worker.components import Pool
from celery.worker.consumer.connection import Connection

from tidewheel_common.process.memory import settle_memory
from tidewheel_common.streams.keys import stream_keys
from tidewheel_executor.deadline import Deadline
from tidewheel_executor.executor import executor_of, handlers_of
from tidewheel_executor.heartbeat import Companion
from tidewheel_executor.signature import signatures_of

PULSE = 1.0
"""Seconds between two signs of life of the event loop."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Retire(bootsteps.StartStopStep):
    """Ends the executor: gives back what it has not started, and signs off in PostgreSQL."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        settle_memory()
        executor = executor_of(worker.app)
        executor.intake.node = worker.hostname
        _tell_of_rate_limits(worker.app)
        worker.companion = Companion(executor, signatures=signatures_of(worker.app))
        worker.deadline = None

    def include(self, worker: Any) -> None:
        """Stand first: what Celery's steps require says nothing of us."""
        super().include(worker)
        worker.steps.remove(self)
        worker.steps.insert(0, self)

    def stop(self, worker: Any) -> None:
        """Sign off, once every child has finished."""
        if worker.deadline is not None:
            worker.deadline.cancel()
        intake = executor_of(worker.app).intake
        cut_off = [hint for entry in intake.delivered() for hint in entry.bundle.hints]
        worker.companion.interrupted([*intake.cut_off, *cut_off])
        queues = worker.app.amqp.queues.consume_from
        try:
            intake.give_back_all([key for queue in queues for key in stream_keys(queue)])
        finally:
            worker.companion.stop()

    def terminate(self, worker: Any) -> None:
        """Sign off, after a cold shutdown too."""
        self.stop(worker)


def _tell_of_rate_limits(app: Celery) -> None:
    limited = [name for name in handlers_of(app) if app.tasks[name].rate_limit]
    if limited:
        log.warning("rate_limit is not kept: limit the queue, `tidewheel queues limit NAME --rate`", handlers=limited)


class Accompany(bootsteps.StartStopStep):
    """Starts what runs beside Celery: heartbeat, probes, reports of lost tasks."""

    requires = (Pool, Retire)

    def start(self, worker: Any) -> None:
        """Start the companion."""
        worker.companion.start()

    def stop(self, worker: Any) -> None:
        """Leave that to `Retire`: children may still be working. From here on their time is bounded."""
        executor = executor_of(worker.app)
        worker.deadline = Deadline(
            worker.pool, grace=executor.settings.stop_grace, cut_off=executor.intake.begin_cutting_off
        )
        worker.deadline.start()

    def terminate(self, worker: Any) -> None:
        """Leave that to `Retire` too."""


class Pulse(bootsteps.StartStopStep):
    """Tells others whether the event loop moves: the probes, and who would have it do something later."""

    requires = (Connection,)

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Expect a pulse from now on."""
        companion = consumer.controller.companion
        companion.hub_runs(every=PULSE)
        hub.call_repeatedly(PULSE, companion.hub_moved)
        executor_of(consumer.app).intake.later = hub.call_later

    def stop(self, consumer: Any) -> None:
        """Expect no pulse while Celery reconnects or stops: it waits outside its event loop then."""
        consumer.controller.companion.hub_rests()
        intake = executor_of(consumer.app).intake
        intake.later = None
        intake.settle_now()
