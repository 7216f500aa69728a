"""The Celery task `tidewheel.execute`: what a child process does with one message."""

from collections.abc import Sequence
from typing import Any

from celery import Celery, current_app, shared_task, signals

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_executor.child import Birth, Child
from tidewheel_executor.claim import Terms
from tidewheel_executor.executor import executor_of
from tidewheel_executor.orphans import die_with_parent
from tidewheel_executor.times import Times
from tidewheel_executor.transport.envelope import TASK

LEASE_MARGIN = 5.0
"""Seconds that a lease outlasts the moment at which a child that overruns is killed."""

_CHILD = "tidewheel_child"
"""Where an app keeps the child that this process is."""


@shared_task(name=TASK, bind=True, acks_late=True, ignore_result=True)
def execute(self: Any, bundles: Sequence[str]) -> Times:
    """Run the tasks of one message."""
    hard_limit, _ = self.request.timelimit or (None, None)
    return Times(_child_of(self.app).execute(bundles, hard_limit=hard_limit))


@signals.worker_process_init.connect
def prepare(sender: str | None = None, **_: object) -> None:
    """Get ready, right after the fork, so that the first task need not wait for it."""
    die_with_parent()
    _child_of(current_app, hostname=sender)


@signals.worker_process_shutdown.connect
def end(**_: object) -> None:
    """Close what the child has opened."""
    child: Child | None = current_app.conf.pop(_CHILD, None)
    if child is not None:
        child.close()


def _child_of(app: Celery, *, hostname: str | None = None) -> Child:
    child: Child | None = app.conf.get(_CHILD)
    if child is None:
        child = app.conf[_CHILD] = Child(app, _birth(app, hostname))
    return child


def _birth(app: Celery, hostname: str | None) -> Birth:
    executor = executor_of(app)
    settings = executor.settings
    terms = Terms(
        executor_id=executor.id,
        default_timeout=settings.default_timeout,
        grace=settings.timeout_grace + LEASE_MARGIN,
    )
    return Birth(
        database_url=settings.database_url.get_secret_value(),
        redis_url=settings.redis_url.get_secret_value(),
        keyring=Keyring.parse(settings.keys.get_secret_value()),
        terms=terms,
        otlp_endpoint=settings.otlp_endpoint,
        hostname=hostname,
        orders=executor.metrics_directory,
    )
