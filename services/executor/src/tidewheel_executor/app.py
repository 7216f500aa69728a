"""Makes the Celery app of an executor: a new one, or the user's own with our transport under it."""

import logging
from collections.abc import Callable
from ssl import CERT_REQUIRED
from typing import Any, Final
from uuid import UUID, uuid4

from celery import Celery
from celery.app.utils import find_app
from celery.signals import setup_logging
from kombu import Queue

from tidewheel_common.process.failpoints import arm
from tidewheel_common.process.logs import configure_logs
from tidewheel_executor.bootsteps import Accompany, Pulse, Retire
from tidewheel_executor.discovery import Discover
from tidewheel_executor.executor import Executor, ReportLost, attach, is_handler
from tidewheel_executor.kinds.settings import attach_kinds
from tidewheel_executor.packing import Packer, PackingRules
from tidewheel_executor.settings import DEFAULT_QUEUE, ExecutorSettings
from tidewheel_executor.transport.connection import PatientConnection
from tidewheel_executor.transport.envelope import TASK
from tidewheel_executor.transport.intake import Intake

EXECUTE = "tidewheel_executor.execute"
"""The module that defines the task `tidewheel.execute`, which children run."""

CANARY = "tidewheel_executor.canary"
"""The module of the handler that every executor serves."""

REPLACED = "tidewheel_replaced"
"""Where an app keeps what its own settings were, for the calls that handlers make: limits, and the broker, by which a
priority is urgent or not."""

_CELERYS_QUEUE = "celery"

_MEANT_FOR_CALLS = ("broker_url", "task_time_limit", "task_soft_time_limit")

_OURS: Final = {
    TASK: {
        "Request": "tidewheel_executor.request:ExecuteRequest",
        # The main process gets the repr of what a child returns, cut at this length.
        "resultrepr_maxsize": 65_536,
        "acks_late": True,
        "ignore_result": True,
        "rate_limit": None,
        "time_limit": None,
        "soft_time_limit": None,
    }
}

REDIS_TIMEOUT = 5.0
"""Seconds. Longer than a blocking read (one second), short enough to notice a peer that has gone silent."""


def create_app(
    settings: ExecutorSettings,
    *,
    report_lost: ReportLost,
    execute: str = EXECUTE,
    executor_id: UUID | None = None,
) -> Celery:
    """Make the app. Nothing connects, and no handler is imported, before a worker starts.

    Args:
        settings: The executor's settings.
        report_lost: Tells PostgreSQL of tasks whose child died.
        execute: The module that defines `tidewheel.execute`.
        executor_id: The executor's id; a new one when it is not given.
    """
    arm(settings.failpoints)  # before the first fork: children inherit it
    app = Celery("tidewheel") if settings.celery_app is None else find_app(settings.celery_app)
    app.conf[REPLACED] = {name: getattr(app.conf, name) for name in _MEANT_FOR_CALLS}
    executor = _executor(app, settings, executor_id or uuid4(), report_lost)
    annotations = app.conf.task_annotations
    app.conf.update(**_broker(settings, executor.intake), **_worker(settings), **_tasks(app, settings))
    # The last one counts, and theirs may be meant for every task.
    app.conf.task_annotations = [*_listed(annotations), _OURS]
    _connect_only_to(app, settings.redis_url.get_secret_value())
    ours = (*settings.kind_modules, CANARY, execute)
    app.conf.imports = (*(app.conf.imports or ()), *_modules(settings), *ours)
    attach(app, executor)
    attach_kinds(app, settings)
    app.amqp.Connection = PatientConnection
    app.steps["worker"].update({Retire, Accompany})
    app.steps["consumer"].update({Pulse, Discover} if settings.serves_every_queue else {Pulse})
    app.set_default()

    def log_as_json(**_: Any) -> None:
        configure_logs("executor", settings.log_level)
        for noisy in ("celery.worker.strategy", "celery.app.trace"):
            # A line for each message received and done: of no use to anyone, and a tenth of the cost of a short one.
            logging.getLogger(noisy).setLevel(logging.WARNING)

    setup_logging.connect(log_as_json, weak=False, dispatch_uid="tidewheel")
    return app


def _executor(app: Celery, settings: ExecutorSettings, executor_id: UUID, report_lost: ReportLost) -> Executor:
    rules = PackingRules(
        budget=settings.pack_seconds,
        most=settings.pack_tasks,
        default_timeout=settings.default_timeout,
        grace=settings.timeout_grace,
    )

    def serves(handler: str) -> bool:
        return handler in app.tasks and is_handler(handler)

    intake = Intake(packer=Packer(rules), serves=serves, boot=executor_id.hex, abandoned_after=settings.abandoned_after)
    return Executor(id=executor_id, settings=settings, intake=intake, report_lost=report_lost)


def _listed(annotations: Any) -> list[Any]:
    if annotations is None:
        return []
    return list(annotations) if isinstance(annotations, list | tuple) else [annotations]


def _connect_only_to(app: Celery, url: str) -> None:
    """Keep Celery from `CELERY_BROKER_URL`, which it prefers to every setting: it names the broker that was."""
    found: Any = app
    for name in ("connection_for_read", "connection_for_write"):
        setattr(found, name, _always_to(url, getattr(found, name)))


def _always_to(url: str, connect: Callable[..., Any]) -> Callable[..., Any]:
    def connect_to_ours(_: object = None, **options: Any) -> Any:
        return connect(url, **{name: value for name, value in options.items() if name != "url"})

    return connect_to_ours


def _modules(settings: ExecutorSettings) -> tuple[str, ...]:
    """The modules to import. With an app of the user's own, the default demo handlers stay away."""
    chosen = "handlers" in settings.model_fields_set
    return settings.handlers if chosen or settings.celery_app is None else ()


def _broker(settings: ExecutorSettings, intake: Intake) -> dict[str, Any]:
    url = settings.redis_url.get_secret_value()
    return {
        "broker_url": url,
        "broker_read_url": None,
        "broker_write_url": None,
        "broker_transport": "tidewheel_executor.transport:Transport",
        "broker_use_ssl": {"ssl_cert_reqs": CERT_REQUIRED} if url.startswith("rediss://") else None,
        "broker_transport_options": {
            "intake": intake,
            "socket_timeout": REDIS_TIMEOUT,
            "socket_connect_timeout": REDIS_TIMEOUT,
            "socket_keepalive": True,
            "health_check_interval": int(REDIS_TIMEOUT),
            "client_name": "tidewheel-executor",
        },
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_pool_limit": 2,
        "result_backend": None,
    }


def _worker(settings: ExecutorSettings) -> dict[str, Any]:
    return {
        "worker_pool": "prefork",
        "worker_concurrency": settings.concurrency,
        # One message in each child and none waiting here: what waits here, no idle executor could take. Two would save
        # a child about 2 ms between packs of 30 ms (6 %), at the price of short tasks that wait behind long ones.
        "worker_prefetch_multiplier": 1,
        # Credit counts what is in flight over all connections, so a reconnect needs no reduction.
        "worker_enable_prefetch_count_reduction": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_disable_rate_limits": True,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "worker_soft_shutdown_timeout": settings.stop_grace,
        # How long the result of a child that has died may still come. Ours is in PostgreSQL: whoever waits for Celery's
        # ten seconds only finds the lost tasks ten seconds later.
        "worker_lost_wait": 0.5,
    }


def _tasks(app: Celery, settings: ExecutorSettings) -> dict[str, Any]:
    default_queue = app.conf.task_default_queue
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_default_queue": DEFAULT_QUEUE if default_queue == _CELERYS_QUEUE else default_queue,
        "task_create_missing_queues": True,
        "task_queues": [Queue(queue) for queue in settings.first_queues],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        # A lost child is reported to PostgreSQL; its message must not come back by itself.
        "task_reject_on_worker_lost": False,
        "task_send_sent_event": False,
        "task_time_limit": None,
        "task_soft_time_limit": None,
        "timezone": "UTC",
        "enable_utc": True,
    }
