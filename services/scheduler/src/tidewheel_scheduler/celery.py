"""The Celery app of the scheduler: `celery -A tidewheel_scheduler beat` finds it here."""

from typing import Any

from celery import Celery, signals

from tidewheel_scheduler.beat import PostgresScheduler


@signals.setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Let nobody set up Celery's own logging: the scheduler writes JSON, as every process does."""


app = Celery("tidewheel_scheduler", set_as_current=False)
app.conf.update(
    beat_scheduler=PostgresScheduler,
    # Nothing is ever published; a broker that lives in this process alone can neither fail nor leak.
    broker_url="memory://",
    beat_enable_remote_control=False,
    worker_redirect_stdouts=False,
)
