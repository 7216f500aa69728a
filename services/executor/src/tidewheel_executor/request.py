"""What the main process does when a message for `tidewheel.execute` has ended, one way or another."""

from typing import Any
from uuid import UUID

import structlog
from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]  # the stubs leave it out
from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.worker import state
from celery.worker.request import Request

from tidewheel_common.streams.bundle import read_bundles
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.times import read_times
from tidewheel_executor.transport.intake import Intake

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ExecuteRequest(Request):
    """One message on its way through a child.

    Celery derives a class from this one for each worker, with an `on_success` of its own; `__init_subclass__` takes
    that back, because a success brings the times that packing learns from.

    However a message ends, it is acknowledged: PostgreSQL owns recovery. If it did not succeed, its tasks are reported
    as lost first, which changes only those that still run under this executor.
    """

    cut_off = False
    """Whether its child was killed for a task that somebody has cancelled: its neighbours are given back."""

    _reported = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep our `on_success` in the class that Celery derives."""
        super().__init_subclass__(**kwargs)
        if "on_success" in cls.__dict__:
            del cls.on_success

    @property
    def intake(self) -> Intake | None:
        """Where the message came from; None for a message that no stream brought."""
        return getattr(self.message.channel, "intake", None)

    @property
    def hints(self) -> list[Hint]:
        """The tasks of this message."""
        return read_bundles(self.kwargs["bundles"])

    @property
    def attempts(self) -> list[tuple[UUID, int]]:
        """The tasks of this message, each with the attempt that the claim has made of it."""
        return [(hint.task_id, hint.attempt + 1) for hint in self.hints]

    def on_success(self, failed__retval__runtime: tuple[bool, Any, float], **kwargs: Any) -> Any:
        """Learn how long the handlers took, and acknowledge."""
        failed, returned, _ = failed__retval__runtime
        if not failed and self.intake is not None:
            self.intake.learn(read_times(returned))
        return super().on_success(failed__retval__runtime, **kwargs)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Report the tasks when the hard limit has passed; the child is killed now."""
        if not soft:
            self._lose("time_limit", timeout=timeout)
            state.task_ready(self)
            self.acknowledge()

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """Report the tasks when the child died, or when it could not even record what became of them."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, Ignore | Reject | Retry):
            return super().on_failure(exc_info, send_failed_event, return_ok)
        # Only Celery's own words: what our code raised might quote a tenant's data.
        self._lose(type(error).__name__, error=str(error) if isinstance(error, WorkerLostError) else None)
        state.task_ready(self)
        self.acknowledge()
        return None

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        self._lose(reason)
        super()._announce_revoked(reason, terminated, signum, expired)  # type: ignore[misc]  # the stubs leave it out

    def _lose(self, cause: str, **facts: Any) -> None:
        if self._reported or self.acknowledged:
            return
        self._reported = True
        hints = self.hints
        if self.intake is None or not self.intake.cutting_off:
            log.error("message lost", cause=cause, celery_id=self.id, tasks=len(hints), **facts)
        if self.intake is not None:
            self.intake.lose(hints, cut_off=self.cut_off)
