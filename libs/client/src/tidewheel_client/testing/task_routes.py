"""The calls about tasks that the fake serves; each function has the name of its operation."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from tidewheel_client.testing.asked import Answer, Asked, page
from tidewheel_client.testing.filter import matches
from tidewheel_client.testing.refusal import Refusal


def submit_task(asked: Asked) -> Answer:
    """Accept one task."""
    task, existing = asked.tasks.accept(asked.tasks.read(asked.body), {})
    return (200 if existing else 201), {"Location": f"/v1/tasks/{task.id}"}, task.view()


def submit_tasks(asked: Asked) -> Answer:
    """Accept what is good of a batch; parents must stand before their dependants here."""
    made: dict[int, UUID] = {}
    results: list[dict[str, Any]] = []
    for place, document in enumerate(asked.body["tasks"]):
        try:
            task, existing = asked.tasks.accept(asked.tasks.read(document, pointer=f"/tasks/{place}"), made)
        except Refusal as refusal:
            results.append({"error": refusal.problem})
        else:
            made[place] = task.id
            results.append({"id": task.id, **({"existing": True} if existing else {})})
    return 201, {}, {"results": results}


def list_of_tasks(asked: Asked) -> Answer:
    """List tasks, page by page; a cursor is a number here."""
    return page(asked, [task.summary() for task in asked.tasks.listed() if matches(task, _filter(asked.params))])


def get_task(asked: Asked) -> Answer:
    """Read a task; whoever waits for it lets time pass."""
    task, wait = asked.task, float(asked.params.get("wait", 0))
    if wait and not task.final:
        asked.hold(task, wait)
    return 200, {}, asked.task.view()


def list_attempts(asked: Asked) -> Answer:
    """Read how each attempt went."""
    return 200, {}, {"data": asked.task.log}


def read_logs(asked: Asked) -> Answer:
    """Read what handlers have logged; a cursor is a number here."""
    task, after = asked.task, int(asked.params.get("after", 0))
    lines = task.lines[after:]
    return 200, {}, {"data": lines, "next_cursor": str(after + len(lines)) if lines else None, "state": task.state}


def explain_task(asked: Asked) -> Answer:
    """Say where a task is."""
    task = asked.task
    return 200, {}, {"state": task.state, "summary": f"It is `{task.state}`, in a fake.", "gates": []}


def cancel_task(asked: Asked) -> Answer:
    """Cancel a task."""
    task = asked.task
    asked.tasks.cancel(task)
    return 200, {}, task.view()


def redrive_task(asked: Asked) -> Answer:
    """Give a task a fresh start."""
    task = asked.task
    asked.tasks.redrive(task, None if asked.body is None else asked.body["payload"])
    return 200, {}, task.view()


def edit_task(asked: Asked) -> Answer:
    """Change a task."""
    task = asked.task
    if task.state not in {"waiting", "ready"}:
        raise Refusal(409, "not_editable", f"The task is `{task.state}`; only waiting and ready tasks can be changed.")
    before = {**task.spec, "run_at": task.run_at.isoformat(), "delay": None, "depends_on": [], "payload": task.payload}
    given = {name: each.isoformat() if isinstance(each, datetime) else each for name, each in before.items()}
    candidate = asked.tasks.read({**given, **asked.body})
    task.spec, task.run_at = candidate.spec.model_dump(), candidate.due(asked.now)
    task.state = "waiting" if task.run_at > asked.now else "ready"
    return 200, {}, task.view()


def delete_task(asked: Asked) -> Answer:
    """Delete a final task."""
    task = asked.task
    if not task.final:
        raise Refusal(409, "not_final", f"The task is `{task.state}`; cancel it first, or wait until it is final.")
    del asked.tasks.all[task.id]
    return 204, {}, None


def _filter(params: httpx2.QueryParams) -> dict[str, Any]:
    return {**dict(params), "state": params.get_list("state")}
