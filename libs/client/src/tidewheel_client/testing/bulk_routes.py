"""Bulk operations and dead letters in the fake: an operation is over as soon as it is accepted."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from tidewheel_client.models import FINAL
from tidewheel_client.testing.asked import Answer, Asked, kept, page
from tidewheel_client.testing.filter import matches
from tidewheel_client.testing.refusal import invalid
from tidewheel_client.testing.tasks import FakeTask
from tidewheel_common.core.fault import Fault

_TOUCHES: Final[Mapping[str, frozenset[str]]] = {
    "cancel": frozenset({"blocked", "waiting", "ready"}),
    "redrive": FINAL - {"complete"},
    "delete": FINAL,
    "reprioritise": frozenset({"blocked", "waiting", "ready"}),
}


def start_operation(asked: Asked) -> Answer:
    """Act on all tasks that a filter means, at once."""
    action, priority, dry_run = asked.body["action"], asked.body.get("priority"), asked.body.get("dry_run", False)
    _check(action, priority)
    meant = [
        task for task in asked.tasks.listed() if task.state in _TOUCHES[action] and matches(task, asked.body["filter"])
    ]
    for task in () if dry_run else meant:
        _act(asked, action, task, priority)
    operation = {
        "id": uuid4(),
        "action": action,
        "filter": asked.body["filter"],
        "priority": priority,
        "dry_run": dry_run,
        "counted": len(meant),
        "done": 0 if dry_run else len(meant),
        "failed": 0,
        "created_at": asked.now,
        "finished_at": asked.now,
    }
    if not dry_run:
        asked.shelf.operations[operation["id"]] = operation
    return 201, {"Location": f"/v1/operations/{operation['id']}"}, operation


def _check(action: str, priority: str | None) -> None:
    if action not in _TOUCHES:
        raise invalid([Fault(code="literal_error", pointer="/action", detail=f"It is one of {', '.join(_TOUCHES)}.")])
    if (priority is None) == (action == "reprioritise"):
        detail = "To reprioritise takes a `priority`, and nothing else does."
        raise invalid([Fault(code="priority", pointer="", detail=detail)])


def _act(asked: Asked, action: str, task: FakeTask, priority: str | None) -> None:
    match action:
        case "cancel":
            asked.tasks.cancel(task)
        case "redrive":
            asked.tasks.redrive(task, None)
        case "delete":
            del asked.tasks.all[task.id]
        case _:
            task.spec = {**task.spec, "priority": priority}


def list_operations(asked: Asked) -> Answer:
    """List bulk operations, the newest first."""
    return page(asked, list(reversed(asked.shelf.operations.values())))


def get_operation(asked: Asked) -> Answer:
    """Read a bulk operation."""
    return 200, {}, kept(asked.shelf.operations, asked.path["id"])


def list_dead_letters(asked: Asked) -> Answer:
    """Count dead tasks by what they failed with, the most frequent first."""
    alike: defaultdict[tuple[Any, ...], list[FakeTask]] = defaultdict(list)
    for task in asked.tasks.listed():
        if task.state == "dead":
            alike[task.spec["handler"], task.error_type, task.reason].append(task)
    groups = [
        {
            "handler": handler,
            "error_type": error_type,
            "reason": reason,
            "count": len(tasks),
            "first_at": min(task.finished_at or asked.now for task in tasks),
            "last_at": max(task.finished_at or asked.now for task in tasks),
            "latest_task_id": max(tasks, key=lambda task: task.finished_at or asked.now).id,
        }
        for (handler, error_type, reason), tasks in alike.items()
    ]
    return page(asked, sorted(groups, key=lambda group: -int(str(group["count"]))))
