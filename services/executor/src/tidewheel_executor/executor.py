"""What the parts of an executor's main process share, and where Celery's own parts find it."""

import tempfile
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery

from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.settings import ExecutorSettings
from tidewheel_executor.transport.envelope import TASK
from tidewheel_executor.transport.intake import Intake

_PLACE = "tidewheel_executor"

ReportLost = Callable[[Engine, UUID, Sequence[Hint], float | None], Coroutine[Any, Any, object]]
"""Writes down that an executor has lost tasks: only those that still run under it, at the hinted attempt + 1, and that
it claimed so many seconds ago, or at any time. A lost connection is raised, and the report is made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """One executor process and its children.

    Attributes:
        id: Its row in `executors`, its name in claims, and the unique part of its consumer's name.
        settings: Its settings.
        intake: What it holds of the task streams.
        report_lost: Tells PostgreSQL of tasks whose child died.
    """

    id: UUID
    settings: ExecutorSettings
    intake: Intake
    report_lost: ReportLost

    @property
    def metrics_directory(self) -> Path:
        """Where this process and its children count. Made before the first fork, removed at the end."""
        return Path(tempfile.gettempdir()) / f"tidewheel-executor-{self.id.hex}"


def attach(app: Celery, executor: Executor) -> None:
    """Make the executor known to its app, through which bootsteps and children find it."""
    app.conf[_PLACE] = executor


def executor_of(app: Celery) -> Executor:
    """Return the executor of an app that `create_app` made. Works in a child process too.

    Raises:
        KeyError: The app is not an executor's.
    """
    executor: Executor = app.conf[_PLACE]
    return executor


def is_handler(name: str) -> bool:
    """Tell whether a Celery task is a handler, and not one of Celery's own or ours."""
    return name != TASK and not name.startswith("celery.")


def handlers_of(app: Celery) -> list[str]:
    """Return the names of the handlers that an app has, sorted."""
    return sorted(name for name in app.tasks if is_handler(name))
