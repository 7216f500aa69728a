"""A submitted task in the caller's hand."""

from typing import Any
from uuid import UUID

from tidewheel_client.call import Call
from tidewheel_client.caller import AsyncCaller, Caller, Habits
from tidewheel_client.errors import StillRunning, TaskFailed
from tidewheel_client.exchange import Flow
from tidewheel_client.models import Task
from tidewheel_client.operations.tasks import LONGEST_WAIT, cancel_task, get_task
from tidewheel_client.values import Duration, Id, id_text, plain


class TaskHandle:
    """A task, to be waited for and acted on; `task` is how it was accepted, where this client has submitted it."""

    def __init__(self, caller: Caller, task_id: Id, task: Task | None = None) -> None:
        self._caller = caller
        self.id = UUID(id_text(task_id))
        self.task = task

    def get(self) -> Task:
        """Read the task as it is now."""
        return self._caller.call(get_task(self.id))

    def wait(self, timeout: Duration | None = None) -> Task:
        """Wait until the task is final, however it ends, and return it.

        Args:
            timeout: seconds or a timedelta; None waits for as long as it takes.

        Raises:
            StillRunning: it was not final in time.
        """
        return self._caller.run(until_final(self.id, timeout, self._caller.habits))

    def result(self, timeout: Duration | None = None) -> Any:
        """Wait until the task is complete and return what its handler returned.

        Raises:
            TaskFailed: it ended otherwise.
            StillRunning: it was not final in time.
        """
        return result_of(self.wait(timeout))

    def cancel(self) -> Task:
        """Cancel the task; one that runs already is asked to stop."""
        return self._caller.call(cancel_task(self.id))

    def __repr__(self) -> str:
        return f"TaskHandle({self.id})"


class AsyncTaskHandle:
    """A task, to be waited for and acted on; `task` is how it was accepted, where this client has submitted it."""

    def __init__(self, caller: AsyncCaller, task_id: Id, task: Task | None = None) -> None:
        self._caller = caller
        self.id = UUID(id_text(task_id))
        self.task = task

    async def get(self) -> Task:
        """Read the task as it is now."""
        return await self._caller.call(get_task(self.id))

    async def wait(self, timeout: Duration | None = None) -> Task:  # noqa: ASYNC109 - the service holds the answer
        """Wait until the task is final, however it ends, and return it.

        Args:
            timeout: seconds or a timedelta; None waits for as long as it takes.

        Raises:
            StillRunning: it was not final in time.
        """
        return await self._caller.run(until_final(self.id, timeout, self._caller.habits))

    async def result(self, timeout: Duration | None = None) -> Any:  # noqa: ASYNC109 - as above
        """Wait until the task is complete and return what its handler returned.

        Raises:
            TaskFailed: it ended otherwise.
            StillRunning: it was not final in time.
        """
        return result_of(await self.wait(timeout))

    async def cancel(self) -> Task:
        """Cancel the task; one that runs already is asked to stop."""
        return await self._caller.call(cancel_task(self.id))

    def __repr__(self) -> str:
        return f"AsyncTaskHandle({self.id})"


def until_final(task_id: Id, timeout: Duration | None, habits: Habits) -> Flow[Task]:
    """Ask for a task, each time for as long as the service holds the answer, until it is final."""
    left = None if timeout is None else float(plain(timeout))
    deadline = None if left is None else habits.clock() + left
    task = yield from habits.exchange(_held(task_id, left))
    while not task.final:
        left = None if deadline is None else deadline - habits.clock()
        if left is not None and left <= 0:
            raise StillRunning(task)
        task = yield from habits.exchange(_held(task_id, left))
    return task


def _held(task_id: Id, left: float | None) -> Call[Task]:
    return get_task(task_id, wait=LONGEST_WAIT if left is None else max(0.0, min(left, LONGEST_WAIT)))


def result_of(task: Task) -> Any:
    """Return the result of a final task.

    Raises:
        TaskFailed: it has none.
    """
    if task.state != "complete":
        raise TaskFailed(task)
    return task.result
