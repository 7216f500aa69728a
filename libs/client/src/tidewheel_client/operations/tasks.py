"""The operations on tasks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from tidewheel_client.call import Call, Listing, listing, many, nothing, one
from tidewheel_client.models import Attempt, BatchItem, DeadLetters, Explanation, LogPage, Operation, Task, TaskSummary
from tidewheel_client.options import NewTask, TaskChanges, TaskFilter, TaskOptions
from tidewheel_client.values import Id, Payload, path_of, plain, wire

LONGEST_WAIT: Final = 60.0
"""Seconds that the service holds an answer at most."""


def submit_task(
    handler: str, payload: Payload = None, *, idempotency_key: str | None = None, **options: Unpack[TaskOptions]
) -> Call[Task]:
    """Submit one task."""
    body = _new({**options, "handler": handler, "payload": payload})
    return Call(method="POST", path="/v1/tasks", body=body, keyed=True, key=idempotency_key, read=one(Task))


def submit_tasks(tasks: Sequence[NewTask], *, idempotency_key: str | None = None) -> Call[list[BatchItem]]:
    """Submit up to 1,000 tasks at once; each is accepted or refused on its own, and items answer in their order."""
    body = {"tasks": [_new(task) for task in tasks]}
    read = many(BatchItem, "results")
    return Call(method="POST", path="/v1/tasks:batch", body=body, keyed=True, key=idempotency_key, read=read)


def list_of_tasks(**filters: Unpack[TaskFilter]) -> Listing[TaskSummary]:
    """Iterate over tasks, the newest first; without what they carry."""
    return listing("/v1/tasks", TaskSummary, filters)


def get_task(task_id: Id, *, wait: float = 0.0) -> Call[Task]:
    """Read a task; with `wait`, the answer is held up to that many seconds (60 at most) until the task is final."""
    params = {"wait": wait} if wait else {}
    return Call(method="GET", path=_path(task_id), params=params, hold=wait, read=one(Task))


def list_attempts(task_id: Id) -> Call[list[Attempt]]:
    """Read how each attempt of a task went, the first one first."""
    return Call(method="GET", path=f"{_path(task_id)}/attempts", read=many(Attempt))


def explain_task(task_id: Id) -> Call[Explanation]:
    """Read why a task is not running yet: every gate on its way, who holds it, and when it lifts."""
    return Call(method="GET", path=f"{_path(task_id)}/explain", read=one(Explanation))


def cancel_task(task_id: Id) -> Call[Task]:
    """Cancel a task; one that runs already is asked to stop."""
    return Call(method="POST", path=f"{_path(task_id)}:cancel", read=one(Task))


def redrive_task(task_id: Id, *, payload: Payload = None) -> Call[Task]:
    """Give a dead, cancelled or expired task a fresh start, with another payload if one is given."""
    body = None if payload is None else wire({"payload": payload})
    return Call(method="POST", path=f"{_path(task_id)}:redrive", body=body, repeatable=False, read=one(Task))


def read_logs(task_id: Id, *, after: str | None = None) -> Call[LogPage]:
    """Read what the handlers of a task have logged; with the `next_cursor` of the page before, read on."""
    return Call(
        method="GET", path=f"{_path(task_id)}/logs", params={} if after is None else {"after": after}, read=one(LogPage)
    )


def list_dead_letters(*, limit: int | None = None) -> Listing[DeadLetters]:
    """Iterate over the dead tasks, counted by their handler, error and reason, the most frequent first."""
    return listing("/v1/dead-letters", DeadLetters, {"limit": limit})


def start_operation(
    action: str,
    filter: Mapping[str, Any],  # noqa: A002 -- the word of the API
    *,
    priority: str | None = None,
    dry_run: bool = False,
    idempotency_key: str | None = None,
) -> Call[Operation]:
    """Cancel, redrive, delete or reprioritise all tasks that a filter means; with `dry_run`, only count them."""
    body = wire({"action": action, "filter": filter, "priority": priority, "dry_run": dry_run})
    return Call(method="POST", path="/v1/operations", body=body, keyed=True, key=idempotency_key, read=one(Operation))


def list_operations(*, limit: int | None = None) -> Listing[Operation]:
    """Iterate over bulk operations, the newest first."""
    return listing("/v1/operations", Operation, {"limit": limit})


def get_operation(operation_id: Id) -> Call[Operation]:
    """Read how far a bulk operation is."""
    return Call(method="GET", path=f"/v1/operations/{path_of(operation_id)}", read=one(Operation))


def edit_task(task_id: Id, **changes: Unpack[TaskChanges]) -> Call[Task]:
    """Change a task that waits or is ready; what is left out stays as it is."""
    return Call(method="PATCH", path=_path(task_id), body=wire(changes), read=one(Task))


def delete_task(task_id: Id) -> Call[None]:
    """Delete a final task before its removal delay has passed."""
    return Call(method="DELETE", path=_path(task_id), read=nothing)


def _path(task_id: Id) -> str:
    return f"/v1/tasks/{path_of(task_id)}"


def _new(fields: Mapping[str, Any]) -> dict[str, Any]:
    parents = [each if isinstance(each, Mapping) else plain(each) for each in fields.get("depends_on") or ()]
    body = wire({**fields, "depends_on": parents})
    return {name: value for name, value in body.items() if value is not None and (name != "depends_on" or value)}
