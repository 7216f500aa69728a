"""The tasks of the fake: accepted by the service's own checks, run by the handlers of the test."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import from_json, to_json, to_jsonable_python

from tidewheel_client.models import FINAL, TaskSummary
from tidewheel_client.testing.listening import listening
from tidewheel_client.testing.refusal import Refusal, invalid, not_found
from tidewheel_common.core.decide import Standing, decide
from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import Sibling
from tidewheel_common.core.outcome import Completed, Failed, Outcome
from tidewheel_common.core.submission import Candidate, read_candidate, untimely
from tidewheel_common.core.task import Retry

Handler = Callable[..., Any]


class NoHandler(AssertionError):
    """Somebody waits for a task that nobody will ever run."""


@dataclass(slots=True, kw_only=True)
class FakeTask:
    """A task; the fields are those of the API."""

    id: UUID
    spec: Mapping[str, Any]
    payload: dict[str, Any]
    state: str
    run_at: datetime
    created_at: datetime
    parents: tuple[UUID, ...] = ()
    attempt: int = 0
    failures: int = 0
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    remove_at: datetime | None = None
    schedule_id: UUID | None = None
    nominal_at: datetime | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    def summary(self) -> dict[str, Any]:
        """Return the task as a list shows it."""
        own = {name: getattr(self, name, None) for name in TaskSummary.model_fields}
        shown = {**own, **{name: value for name, value in self.spec.items() if name in own}}
        return {**shown, "run_at": self.run_at, "lost": 0, "pending_parents": 0, "state": self.state}

    def view(self) -> dict[str, Any]:
        """Return the task with what it carries."""
        carried = {"payload": self.payload, "result": self.result, "error": self.error, "unreadable": {}}
        return {**self.summary(), **carried}


class FakeTasks:
    """Keeps tasks and runs them.

    Args:
        clock: tells the fake's time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.handlers: dict[str, Handler] = {}
        self.all: dict[UUID, FakeTask] = {}
        self._clock = clock

    def read(self, document: Any, *, pointer: str = "") -> Candidate:
        """Return a submission that is as it must be.

        Raises:
            Refusal: it is not.
        """
        candidate = read_candidate(document, pointer=pointer, nul=True)
        faults = candidate if isinstance(candidate, list) else untimely(candidate, self._clock(), pointer=pointer)
        if isinstance(candidate, list) or faults:
            raise invalid(faults)
        return candidate

    def accept(self, candidate: Candidate, siblings: Mapping[int, UUID]) -> tuple[FakeTask, bool]:
        """Keep a task, or return the one that has its unique key; tell whether it was there already.

        Raises:
            Refusal: a parent is not there.
        """
        spec, now = candidate.spec, self._clock()
        for other in self.all.values():
            if spec.unique_key is not None and other.spec["unique_key"] == spec.unique_key and not other.final:
                return other, True
        task = FakeTask(
            id=uuid4(),
            spec=spec.model_dump(exclude={"depends_on"}),
            payload=from_json(candidate.payload),
            state="ready",
            run_at=candidate.due(now),
            created_at=now,
            parents=self._parents(candidate, siblings),
        )
        self.add(task)
        return task, False

    def add(self, task: FakeTask) -> None:
        """Keep a task in the state that its parents and its time give it."""
        task.state = "blocked" if task.parents else self._by_time(task)
        self.all[task.id] = task
        self._release()

    def find(self, task_id: str) -> FakeTask:
        """Return a task.

        Raises:
            Refusal: it is not there.
        """
        self._remove()
        try:
            return self.all[UUID(task_id)]
        except (KeyError, ValueError):
            raise not_found() from None

    def listed(self) -> list[FakeTask]:
        """Return the tasks, the newest first."""
        self._remove()
        return list(reversed(self.all.values()))

    def cancel(self, task: FakeTask) -> None:
        """Cancel a task.

        Raises:
            Refusal: it has ended otherwise.
        """
        if not task.final:
            self._end(task, "cancelled", "cancelled")
        elif task.state != "cancelled":
            detail = f"The task is already `{task.state}`; there is nothing to cancel."
            raise Refusal(409, "already_final", detail)

    def redrive(self, task: FakeTask, payload: dict[str, Any] | None) -> None:
        """Give a task that ended badly a fresh start, with another payload if one is given.

        Raises:
            Refusal: it did not end, or not badly.
        """
        if task.state not in FINAL - {"complete"}:
            detail = f"The task is `{task.state}`; only dead, cancelled and expired tasks can be redriven."
            raise Refusal(409, "not_redrivable", detail)
        task.state, task.failures, task.run_at = "ready", 0, self._clock()
        task.payload = task.payload if payload is None else payload
        task.error = task.error_type = task.reason = task.finished_at = task.remove_at = None

    def run(self) -> None:
        """Run everything that is due and has a handler, and what becomes due by that."""
        while due := [task for task in self.all.values() if self._is_due(task)]:
            for task in due:
                self._attempt(task)

    def moments(self) -> Iterator[datetime]:
        """Yield the times at which waiting tasks are due."""
        return (task.run_at for task in self.all.values() if task.state == "waiting")

    def _is_due(self, task: FakeTask) -> bool:
        if task.state == "waiting":
            task.state = self._by_time(task)
        if task.state == "ready" and task.spec["expires_at"] is not None and task.spec["expires_at"] <= self._clock():
            self._end(task, "expired", "expired")
        return task.state == "ready" and task.spec["handler"] in self.handlers

    def _by_time(self, task: FakeTask) -> str:
        return "waiting" if task.run_at > self._clock() else "ready"

    def _attempt(self, task: FakeTask) -> None:
        task.attempt += 1
        task.started_at = task.started_at or self._clock()
        with listening(task.attempt, self._clock) as lines:
            outcome = _outcome(self.handlers[task.spec["handler"]], task.payload)
        task.lines.extend(lines)
        given = task.spec["backoff"]
        retry = Retry(max_attempts=task.spec["max_attempts"]) if given is None else _retry(task.spec)
        next_step = decide(Standing(failures=task.failures, lost=0, retry=retry), outcome, jitter=0.5)
        task.failures = next_step.failures
        match outcome:
            case Completed(result):
                task.result = None if result is None else from_json(result)
            case Failed(error, error_type):
                task.error, task.error_type = error, error_type
        self._log(task, next_step.attempt_state)
        if next_step.wait is None:
            self._end(task, str(next_step.state), next_step.reason and str(next_step.reason))
        else:
            task.run_at = self._clock() + timedelta(seconds=next_step.wait)
            task.state = self._by_time(task)

    def _log(self, task: FakeTask, state: str) -> None:
        failed = state == "failed"
        task.log.append(
            {
                "attempt": task.attempt,
                "executor_id": None,
                "state": state,
                "started_at": task.started_at,
                "finished_at": self._clock(),
                "error_type": task.error_type if failed else None,
                "error": task.error if failed else None,
            }
        )

    def _end(self, task: FakeTask, state: str, reason: str | None) -> None:
        task.state, task.reason, task.finished_at = state, reason, self._clock()
        task.remove_at = task.finished_at + timedelta(seconds=task.spec["removal_delay"])
        self._release()

    def _parents(self, candidate: Candidate, siblings: Mapping[int, UUID]) -> tuple[UUID, ...]:
        parents = tuple(
            siblings.get(each.index) if isinstance(each, Sibling) else each for each in candidate.spec.depends_on
        )
        faults = [
            Fault(code="unknown_parent", pointer=f"/depends_on/{at}", detail="There is no such task of yours.")
            for at, parent in enumerate(parents)
            if parent not in self.all
        ]
        if faults:
            raise invalid(faults)
        return tuple(parent for parent in parents if parent is not None)

    def _release(self) -> None:
        for task in [each for each in self.all.values() if each.state == "blocked"]:
            states = [self.all[parent].state if parent in self.all else "complete" for parent in task.parents]
            choice, failed = task.spec["on_parent_failure"], set(states) & (FINAL - {"complete"})
            if failed and choice == "cancel":
                self._end(task, "cancelled", "parent_failed")
            elif set(states) <= ({"complete"} if choice != "run" else FINAL):
                task.state = self._by_time(task)

    def _remove(self) -> None:
        now = self._clock()
        gone: Iterable[UUID] = [key for key, task in self.all.items() if task.remove_at and task.remove_at <= now]
        for key in gone:
            del self.all[key]


def _retry(spec: Mapping[str, Any]) -> Retry:
    given = spec["backoff"]
    return Retry(
        max_attempts=spec["max_attempts"],
        initial=given["initial"],
        factor=given["factor"],
        maximum=given["max"],
        jitter=given["jitter"],
    )


def _outcome(handler: Handler, payload: dict[str, Any]) -> Outcome:
    try:
        result = handler(**payload)
        if inspect.iscoroutine(result):
            # A loop may run here already; the handler gets a thread and a loop of its own.
            with ThreadPoolExecutor(1) as thread:
                result = thread.submit(asyncio.run, result).result()
        return Completed(None if result is None else to_json(to_jsonable_python(result)))
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its task's failure
        return Failed(str(error), type(error).__name__)
