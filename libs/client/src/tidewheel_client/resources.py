"""The operations of the blocking client, by what they are about; `async_resources.py` has the others."""

from typing import Unpack

from tidewheel_client.handles import TaskHandle
from tidewheel_client.methods import Calling, Paging, Resource
from tidewheel_client.operations import executors, handlers, health, notification_rules, queues, schedules, tasks
from tidewheel_client.options import TaskOptions
from tidewheel_client.values import Id, Payload


class Tasks(Resource):
    """Submit tasks, follow them, act on them."""

    submit_batch = Calling(tasks.submit_tasks)
    list = Paging(tasks.list_of_tasks)
    get = Calling(tasks.get_task)
    attempts = Calling(tasks.list_attempts)
    explain = Calling(tasks.explain_task)
    cancel = Calling(tasks.cancel_task)
    redrive = Calling(tasks.redrive_task)
    logs = Calling(tasks.read_logs)
    dead_letters = Paging(tasks.list_dead_letters)
    start_operation = Calling(tasks.start_operation)
    operation = Calling(tasks.get_operation)
    operations = Paging(tasks.list_operations)
    edit = Calling(tasks.edit_task)
    delete = Calling(tasks.delete_task)

    def submit(
        self,
        handler: str,
        payload: Payload = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> TaskHandle:
        """Submit one task; once this returns, the task is kept until it is final.

        Args:
            handler: the name of the Celery task that runs it.
            payload: its keyword arguments.
            idempotency_key: makes a repeated submit, also by another process, give the same task; without one, only
                the tries of this very call do.
            options: everything else that may be said of a task.
        """
        call = tasks.submit_task(handler, payload, idempotency_key=idempotency_key, **options)
        accepted = self.caller.call(call)
        return TaskHandle(self.caller, accepted.id, accepted)

    def handle(self, task_id: Id) -> TaskHandle:
        """Take a task in hand that was submitted before; nothing is asked."""
        return TaskHandle(self.caller, task_id)


class Schedules(Resource):
    """Tasks that come again and again."""

    create = Calling(schedules.create_schedule)
    list = Paging(schedules.list_schedules)
    get = Calling(schedules.get_schedule)
    edit = Calling(schedules.edit_schedule)
    delete = Calling(schedules.delete_schedule)
    pause = Calling(schedules.pause_schedule)
    resume = Calling(schedules.resume_schedule)
    trigger = Calling(schedules.trigger_schedule)
    backfill = Calling(schedules.backfill_schedule)
    skip_next = Calling(schedules.skip_next_fire)
    fires = Paging(schedules.list_fires)
    preview = Calling(schedules.preview_schedule)
    preview_rule = Calling(schedules.preview_rule)


class Queues(Resource):
    """What waits in the queues, and what keeps it back."""

    list = Calling(queues.list_queues)
    pause = Calling(queues.pause_queue)
    resume = Calling(queues.resume_queue)
    limit = Calling(queues.limit_queue)


class Executors(Resource):
    """Who is alive, and what they serve."""

    list = Calling(executors.list_executors)


class Handlers(Resource):
    """What the executors can run."""

    list = Calling(handlers.list_handlers)


class NotificationRules(Resource):
    """What the tenant wants to be told of."""

    create = Calling(notification_rules.create_notification_rule)
    list = Calling(notification_rules.list_notification_rules)
    get = Calling(notification_rules.get_notification_rule)
    replace = Calling(notification_rules.replace_notification_rule)
    delete = Calling(notification_rules.delete_notification_rule)


class Health(Resource):
    """For those who run the gateway."""

    alive = Calling(health.healthz)
    ready = Calling(health.readyz)
    metrics = Calling(health.metrics)
