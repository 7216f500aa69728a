"""The operations of the asynchronous client; a test holds them against those of `resources.py`."""

from typing import Unpack

from tidewheel_client.handles import AsyncTaskHandle
from tidewheel_client.methods import AsyncPaging, AsyncResource, Awaiting
from tidewheel_client.operations import executors, handlers, health, notification_rules, queues, schedules, tasks
from tidewheel_client.options import TaskOptions
from tidewheel_client.values import Id, Payload


class AsyncTasks(AsyncResource):
    """Submit tasks, follow them, act on them."""

    submit_batch = Awaiting(tasks.submit_tasks)
    list = AsyncPaging(tasks.list_of_tasks)
    get = Awaiting(tasks.get_task)
    attempts = Awaiting(tasks.list_attempts)
    explain = Awaiting(tasks.explain_task)
    cancel = Awaiting(tasks.cancel_task)
    redrive = Awaiting(tasks.redrive_task)
    logs = Awaiting(tasks.read_logs)
    dead_letters = AsyncPaging(tasks.list_dead_letters)
    start_operation = Awaiting(tasks.start_operation)
    operation = Awaiting(tasks.get_operation)
    operations = AsyncPaging(tasks.list_operations)
    edit = Awaiting(tasks.edit_task)
    delete = Awaiting(tasks.delete_task)

    async def submit(
        self,
        handler: str,
        payload: Payload = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> AsyncTaskHandle:
        """Submit one task; once this returns, the task is kept until it is final.

        Args:
            handler: the name of the Celery task that runs it.
            payload: its keyword arguments.
            idempotency_key: makes a repeated submit, also by another process, give the same task; without one, only
                the tries of this very call do.
            options: everything else that may be said of a task.
        """
        call = tasks.submit_task(handler, payload, idempotency_key=idempotency_key, **options)
        accepted = await self.caller.call(call)
        return AsyncTaskHandle(self.caller, accepted.id, accepted)

    def handle(self, task_id: Id) -> AsyncTaskHandle:
        """Take a task in hand that was submitted before; nothing is asked."""
        return AsyncTaskHandle(self.caller, task_id)


class AsyncSchedules(AsyncResource):
    """Tasks that come again and again."""

    create = Awaiting(schedules.create_schedule)
    list = AsyncPaging(schedules.list_schedules)
    get = Awaiting(schedules.get_schedule)
    edit = Awaiting(schedules.edit_schedule)
    delete = Awaiting(schedules.delete_schedule)
    pause = Awaiting(schedules.pause_schedule)
    resume = Awaiting(schedules.resume_schedule)
    trigger = Awaiting(schedules.trigger_schedule)
    backfill = Awaiting(schedules.backfill_schedule)
    skip_next = Awaiting(schedules.skip_next_fire)
    fires = AsyncPaging(schedules.list_fires)
    preview = Awaiting(schedules.preview_schedule)
    preview_rule = Awaiting(schedules.preview_rule)


class AsyncQueues(AsyncResource):
    """What waits in the queues, and what keeps it back."""

    list = Awaiting(queues.list_queues)
    pause = Awaiting(queues.pause_queue)
    resume = Awaiting(queues.resume_queue)
    limit = Awaiting(queues.limit_queue)


class AsyncExecutors(AsyncResource):
    """Who is alive, and what they serve."""

    list = Awaiting(executors.list_executors)


class AsyncHandlers(AsyncResource):
    """What the executors can run."""

    list = Awaiting(handlers.list_handlers)


class AsyncNotificationRules(AsyncResource):
    """What the tenant wants to be told of."""

    create = Awaiting(notification_rules.create_notification_rule)
    list = Awaiting(notification_rules.list_notification_rules)
    get = Awaiting(notification_rules.get_notification_rule)
    replace = Awaiting(notification_rules.replace_notification_rule)
    delete = Awaiting(notification_rules.delete_notification_rule)


class AsyncHealth(AsyncResource):
    """For those who run the gateway."""

    alive = Awaiting(health.healthz)
    ready = Awaiting(health.readyz)
    metrics = Awaiting(health.metrics)
