"""Which calls the fake serves. What it does not do is said, not guessed: the real thing is one command away."""

from collections.abc import Callable
from typing import Final

from tidewheel_client.testing.asked import Answer, Asked
from tidewheel_client.testing.bulk_routes import (
    get_operation,
    list_dead_letters,
    list_operations,
    start_operation,
)
from tidewheel_client.testing.refusal import Refusal
from tidewheel_client.testing.schedule_routes import (
    backfill_schedule,
    create_schedule,
    delete_schedule,
    edit_schedule,
    get_schedule,
    list_fires,
    list_schedules,
    pause_schedule,
    preview_rule,
    preview_schedule,
    resume_schedule,
    skip_next_fire,
    trigger_schedule,
)
from tidewheel_client.testing.task_routes import (
    cancel_task,
    delete_task,
    edit_task,
    explain_task,
    get_task,
    list_attempts,
    list_of_tasks,
    read_logs,
    redrive_task,
    submit_task,
    submit_tasks,
)
from tidewheel_client.testing.watch_routes import (
    create_notification_rule,
    delete_notification_rule,
    get_notification_rule,
    healthz,
    list_executors,
    list_handlers,
    list_notification_rules,
    readyz,
    replace_notification_rule,
)

_ID = r"(?P<id>[^/:]+)"
_TASK = f"/v1/tasks/{_ID}"
_SCHEDULE = f"/v1/schedules/{_ID}"
_RULE = f"/v1/notification-rules/{_ID}"
_QUEUE = "/v1/queues/[^/:]+"


def _refused(what: str) -> Callable[[Asked], Answer]:
    def refuse(_: Asked) -> Answer:
        detail = f"The fake does not do {what}. Try it on a real stack: `tidewheel dev`."
        raise Refusal(501, "not_faked", detail)

    return refuse


ROUTES: Final[list[tuple[str, str, Callable[[Asked], Answer]]]] = [
    ("POST", "/v1/tasks", submit_task),
    ("POST", "/v1/tasks:batch", submit_tasks),
    ("GET", "/v1/tasks", list_of_tasks),
    ("GET", _TASK, get_task),
    ("GET", f"{_TASK}/attempts", list_attempts),
    ("GET", f"{_TASK}/logs", read_logs),
    ("GET", f"{_TASK}/explain", explain_task),
    ("POST", f"{_TASK}:cancel", cancel_task),
    ("POST", f"{_TASK}:redrive", redrive_task),
    ("PATCH", _TASK, edit_task),
    ("DELETE", _TASK, delete_task),
    ("GET", "/v1/dead-letters", list_dead_letters),
    ("POST", "/v1/operations", start_operation),
    ("GET", "/v1/operations", list_operations),
    ("GET", f"/v1/operations/{_ID}", get_operation),
    # What looks like the id of a schedule stands first.
    ("POST", "/v1/schedules/preview", preview_rule),
    ("POST", "/v1/schedules", create_schedule),
    ("GET", "/v1/schedules", list_schedules),
    ("GET", _SCHEDULE, get_schedule),
    ("PATCH", _SCHEDULE, edit_schedule),
    ("DELETE", _SCHEDULE, delete_schedule),
    ("POST", f"{_SCHEDULE}:pause", pause_schedule),
    ("POST", f"{_SCHEDULE}:resume", resume_schedule),
    ("POST", f"{_SCHEDULE}:trigger", trigger_schedule),
    ("POST", f"{_SCHEDULE}:backfill", backfill_schedule),
    ("POST", f"{_SCHEDULE}:skip-next", skip_next_fire),
    ("GET", f"{_SCHEDULE}/fires", list_fires),
    ("GET", f"{_SCHEDULE}/preview", preview_schedule),
    ("GET", "/v1/handlers", list_handlers),
    ("GET", "/v1/executors", list_executors),
    ("POST", "/v1/notification-rules", create_notification_rule),
    ("GET", "/v1/notification-rules", list_notification_rules),
    ("GET", _RULE, get_notification_rule),
    ("PUT", _RULE, replace_notification_rule),
    ("DELETE", _RULE, delete_notification_rule),
    ("GET", "/healthz", healthz),
    ("GET", "/readyz", readyz),
    ("GET", "/metrics", _refused("metrics")),
    ("GET", "/v1/queues", _refused("queues")),
    ("POST", f"{_QUEUE}:(pause|resume)", _refused("queues")),
    ("PATCH", _QUEUE, _refused("queues")),
]
