"""What an executor reads from the environment."""

import os

from pydantic import Field

from tidewheel_common.process.settings import CommaList, Port, SealingSettings
from tidewheel_common.streams.keys import EVERY_QUEUE
from tidewheel_executor.kinds.settings import KindSettings

DEFAULT_QUEUE = "default"


class ExecutorSettings(SealingSettings, KindSettings):
    """The settings of an executor. Durations are seconds."""

    health_port: Port = Field(
        9103, description="The port of /healthz, /readyz and /metrics; 0 takes any free one.", examples=["9103"]
    )
    handlers: CommaList = Field(
        ("tidewheel_executor.demo",),
        description="The modules whose Celery tasks are the handlers.",
        examples=["shop.tasks,shop.reports"],
    )
    celery_app: str | None = Field(
        None,
        description="A Celery app of yours, whose tasks are the handlers; Tidewheel takes over its broker settings.",
        examples=["proj.celery:app"],
    )
    queues: CommaList = Field(
        (EVERY_QUEUE,), description="The queues to serve; * for every queue.", examples=["reports,mails"]
    )
    concurrency: int = Field(
        default_factory=lambda: (os.cpu_count() or 1) + 1,
        gt=0,
        description="Child processes, of which one is kept for short tasks; unset: one for each CPU, and that one.",
        examples=["4"],
    )
    executor_heartbeat: float = Field(
        2.0, gt=0, description="Seconds between two signs of life in PostgreSQL.", examples=["2"]
    )
    default_timeout: float = Field(
        300.0, gt=0, description="Seconds that a task may run which names no timeout itself.", examples=["300"]
    )
    timeout_grace: float = Field(
        5.0,
        gt=0,
        description="Seconds after its timeout in which a task must have ended by itself; then its child is killed.",
        examples=["5"],
    )
    cancel_grace: float = Field(
        10.0,
        gt=0,
        description="Seconds after its cancel in which a running task must have ended; then its child is killed.",
        examples=["10"],
    )
    abandoned_after: float = Field(
        15.0,
        ge=1,
        description="Seconds without a sign of life after which another executor's stream entries are taken over.",
        examples=["15"],
    )
    celery_events: bool = Field(
        default=False,
        description="Send Celery's own events, for Flower: some for each message, and a heartbeat.",
        examples=["true"],
    )
    pack_seconds: float = Field(
        0.03, gt=0, description="Seconds of expected work that travel to a child together.", examples=["0.03"]
    )
    pack_tasks: int = Field(
        500, ge=1, le=2000, description="Tasks that travel to a child together at most.", examples=["500"]
    )

    @property
    def serves_every_queue(self) -> bool:
        """Whether queues are found out at run time."""
        return EVERY_QUEUE in self.queues

    @property
    def first_queues(self) -> tuple[str, ...]:
        """The queues to serve from the start."""
        return (DEFAULT_QUEUE,) if self.serves_every_queue else self.queues
