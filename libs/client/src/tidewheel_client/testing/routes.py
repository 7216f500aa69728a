"""The calls that the fake serves; each function has the name of its operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx2

from tidewheel_client.testing.refusal import Refusal
from tidewheel_client.testing.schedules import FakeSchedule, FakeSchedules
from tidewheel_client.testing.tasks import FakeTask, FakeTasks

Answer = tuple[int, dict[str, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, and what it is asked of.

    Attributes:
        hold: lets time pass until a task is final, so many seconds at most.
        path: the ids and names in the address.
    """

    tasks: FakeTasks
    schedules: FakeSchedules
    now: datetime
    hold: Callable[[FakeTask, float], None]
    path: Mapping[str, str]
    params: httpx2.QueryParams
    headers: httpx2.Headers
    body: Any

    @property
    def task(self) -> FakeTask:
        """The task that is named in the address."""
        return self.tasks.find(self.path["id"])

    @property
    def schedule(self) -> FakeSchedule:
        """The schedule that is named in the address, as the caller has read it."""
        schedule = self.schedules.find(self.path["id"])
        if self.headers.get("If-Match", schedule.etag) not in {schedule.etag, "*"}:
            raise Refusal(412, "changed_meanwhile", "The schedule was changed. Read it again.")
        return schedule


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
    return _page(asked, [task.summary() for task in asked.tasks.listed() if _matches(task, asked.params)])


def _matches(task: FakeTask, params: httpx2.QueryParams) -> bool:
    states, after, before = params.get_list("state"), params.get("created_after"), params.get("created_before")
    return (
        (not states or task.state in states)
        and all(params.get(name) in {None, task.spec[name]} for name in ("queue", "handler"))
        and params.get("tag") in {None, *task.spec["tags"]}
        and params.get("schedule") in {None, str(task.schedule_id)}
        and (after is None or task.created_at >= datetime.fromisoformat(after))
        and (before is None or task.created_at < datetime.fromisoformat(before))
    )


def get_task(asked: Asked) -> Answer:
    """Read a task; whoever waits for it lets time pass."""
    task, wait = asked.task, float(asked.params.get("wait", 0))
    if wait and not task.final:
        asked.hold(task, wait)
    return 200, {}, asked.task.view()


def list_attempts(asked: Asked) -> Answer:
    """Read how each attempt went."""
    return 200, {}, {"data": asked.task.log}


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
    asked.tasks.redrive(task)
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


def create_schedule(asked: Asked) -> Answer:
    """Keep a schedule."""
    return _shown(asked.schedules.create(asked.body), status=201)


def list_schedules(asked: Asked) -> Answer:
    """List schedules."""
    shown = [each.summary() for each in reversed(asked.schedules.all.values())]
    wanted = {name: asked.params[name] for name in ("managed_by", "name") if name in asked.params}
    return _page(asked, [each for each in shown if wanted.items() <= each.items()])


def get_schedule(asked: Asked) -> Answer:
    """Read a schedule."""
    return _shown(asked.schedule)


def edit_schedule(asked: Asked) -> Answer:
    """Change a schedule."""
    schedule = asked.schedule
    asked.schedules.change(schedule, asked.body)
    return _shown(schedule)


def delete_schedule(asked: Asked) -> Answer:
    """Delete a schedule."""
    del asked.schedules.all[asked.schedule.id]
    return 204, {}, None


def pause_schedule(asked: Asked) -> Answer:
    """Stop a schedule until it is resumed."""
    if "until" in asked.params:
        raise _not_done("pauses that end by themselves")
    schedule = asked.schedule
    schedule.paused_at, schedule.pause_reason = asked.now, asked.params.get("reason")
    schedule.version += 1
    asked.schedules.plan(schedule)
    return _shown(schedule)


def resume_schedule(asked: Asked) -> Answer:
    """Let a schedule go on."""
    schedule = asked.schedule
    schedule.paused_at = schedule.pause_reason = None
    schedule.version += 1
    asked.schedules.plan(schedule)
    return _shown(schedule)


def trigger_schedule(asked: Asked) -> Answer:
    """Fire a schedule now."""
    task = asked.schedules.fire(asked.schedule, asked.now, reason="A caller triggered it.")
    return 201, {}, {"nominal_at": asked.now, "task_id": task.id}


def list_fires(asked: Asked) -> Answer:
    """Read the ledger of a schedule."""
    return _page(asked, asked.schedule.fires)


def healthz(_: Asked) -> Answer:
    """Be alive."""
    return 200, {}, {"ok": True, "reasons": []}


def readyz(_: Asked) -> Answer:
    """Be ready."""
    return 200, {}, {"ok": True, "reasons": []}


def _page(asked: Asked, rows: list[dict[str, Any]]) -> Answer:
    first, size = int(asked.params.get("cursor", 0)), int(asked.params.get("limit", 50))
    following = str(first + size) if first + size < len(rows) else None
    return 200, {}, {"data": rows[first : first + size], "next_cursor": following}


def _shown(schedule: FakeSchedule, *, status: int = 200) -> Answer:
    return status, {"ETag": schedule.etag}, schedule.view()


def _not_done(what: str) -> Refusal:
    detail = f"The fake does not do {what}. Try it on a real stack: `tidewheel dev`."
    return Refusal(501, "not_faked", detail)


def _refused(what: str) -> Callable[[Asked], Answer]:
    def refuse(_: Asked) -> Answer:
        raise _not_done(what)

    return refuse


_ID = r"(?P<id>[^/:]+)"
_TASK = f"/v1/tasks/{_ID}"
_SCHEDULE = f"/v1/schedules/{_ID}"
_RULE = "/v1/notification-rules/[^/:]+"
_QUEUE = "/v1/queues/[^/:]+"

ROUTES: Final[list[tuple[str, str, Callable[[Asked], Answer]]]] = [
    ("POST", "/v1/tasks", submit_task),
    ("POST", "/v1/tasks:batch", submit_tasks),
    ("GET", "/v1/tasks", list_of_tasks),
    ("GET", _TASK, get_task),
    ("GET", f"{_TASK}/attempts", list_attempts),
    ("GET", f"{_TASK}/explain", explain_task),
    ("POST", f"{_TASK}:cancel", cancel_task),
    ("POST", f"{_TASK}:redrive", redrive_task),
    ("PATCH", _TASK, edit_task),
    ("DELETE", _TASK, delete_task),
    ("POST", "/v1/schedules", create_schedule),
    ("GET", "/v1/schedules", list_schedules),
    ("GET", _SCHEDULE, get_schedule),
    ("PATCH", _SCHEDULE, edit_schedule),
    ("DELETE", _SCHEDULE, delete_schedule),
    ("POST", f"{_SCHEDULE}:pause", pause_schedule),
    ("POST", f"{_SCHEDULE}:resume", resume_schedule),
    ("POST", f"{_SCHEDULE}:trigger", trigger_schedule),
    ("GET", f"{_SCHEDULE}/fires", list_fires),
    ("GET", "/healthz", healthz),
    ("GET", "/readyz", readyz),
    # What is not done is said, not guessed: the real thing is one command away.
    ("POST", "/v1/schedules/preview", _refused("previews")),
    ("GET", f"{_SCHEDULE}/preview", _refused("previews")),
    ("POST", f"{_SCHEDULE}:backfill", _refused("backfills")),
    ("POST", f"{_SCHEDULE}:skip-next", _refused("skipped times")),
    ("GET", "/v1/handlers", _refused("handlers")),
    ("GET", "/v1/notification-rules", _refused("notifications")),
    ("POST", "/v1/notification-rules", _refused("notifications")),
    ("GET", _RULE, _refused("notifications")),
    ("PUT", _RULE, _refused("notifications")),
    ("DELETE", _RULE, _refused("notifications")),
    ("GET", "/v1/queues", _refused("queues")),
    ("POST", f"{_QUEUE}:(pause|resume)", _refused("queues")),
    ("PATCH", _QUEUE, _refused("queues")),
    ("GET", "/v1/executors", _refused("executors")),
    ("GET", f"{_TASK}/logs", _refused("logs")),
    ("GET", "/v1/dead-letters", _refused("groups of dead letters")),
    ("POST", "/v1/operations", _refused("bulk operations")),
    ("GET", "/v1/operations", _refused("bulk operations")),
    ("GET", "/v1/operations/[^/:]+", _refused("bulk operations")),
]
