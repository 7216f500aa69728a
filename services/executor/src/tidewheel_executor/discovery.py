"""Finds queues at run time: with `TIDEWHEEL_QUEUES=*` a queue is served about a second after its first task."""

from typing import Any

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from tidewheel_executor.executor import executor_of
from tidewheel_executor.transport.intake import TRANSIENT

LOOK_EVERY = 1.0
"""Seconds between two looks at the set of queues."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Discover(bootsteps.StartStopStep):
    """Adds a consumer for each queue that the dispatcher has ever used."""

    requires = (Tasks,)

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Look now and then, as long as this connection lasts; Celery cancels the timer when it is lost."""
        hub.call_repeatedly(LOOK_EVERY, look, consumer)


def look(consumer: Any) -> None:
    """Add consumers for queues that are new."""
    if consumer.task_consumer is None or not consumer.task_consumer.channel.task_streams:
        return  # the worker stops
    streams = executor_of(consumer.app).intake.streams
    try:
        for name in sorted(streams.queues() if streams is not None else ()):
            if not consumer.task_consumer.consuming_from(name):
                consumer.add_task_queue(name)
                log.info("queue found", queue=name)
    except TRANSIENT as error:  # away, or so full that it refuses the binding: the next look comes soon
        log.debug("queues not read", error_type=type(error).__name__)
