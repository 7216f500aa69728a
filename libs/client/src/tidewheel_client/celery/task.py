"""The task class that makes an app's tasks durable."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn

from celery import Celery, Task
from celery.canvas import Signature

from tidewheel_client.celery.canvas import send
from tidewheel_client.celery.refusals import Unmapped
from tidewheel_client.celery.result import DurableBackend, DurableControl, DurableGroupResult, DurableResult


class DurableTask(Task):  # type: ignore[type-arg]  # Celery's own class takes no parameters at run time
    """A Celery task whose calls are Tidewheel tasks: `Celery(…, task_cls="tidewheel_client.celery:DurableTask")`.

    With `task_always_eager` everything stays as it is in Celery.
    """

    as_in_celery: ClassVar[bool] = True
    """What an executor keeps to: only what a task itself asks for is a retry, and dates in a payload are dates.

    It goes for all tasks of an app whose task class says so; one of them may say otherwise.
    """

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Make what else an app offers durable as well, at the first of its tasks."""
        if isinstance(app.__dict__.get("control"), DurableControl):
            return
        found: Any = app
        found.control = DurableControl(app)
        found.AsyncResult = found.subclass_with_self(DurableResult, reverse="AsyncResult")
        found.GroupResult = found.subclass_with_self(DurableGroupResult, reverse="GroupResult")
        found._get_backend = partial(DurableBackend, app)  # noqa: SLF001 -- where an app makes its backend
        found.send_task = partial(_send_by_name, app)

    def apply_async(  # noqa: PLR0917 -- Celery's own order
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Submit a durable task; see Celery for the arguments.

        Raises:
            Unmapped: the call asks for something that Tidewheel does not have.
            ClientError: the gateway did not accept it.
        """
        given = {"task_id": task_id, "producer": producer, "link": link, "link_error": link_error, "shadow": shadow}
        options.update({name: value for name, value in given.items() if value is not None})
        app: Any = self.app
        if app.conf.task_always_eager:
            return super().apply_async(tuple(args or ()), dict(kwargs or {}), **options)
        return send(app, Signature(self.name, tuple(args or ()), dict(kwargs or {}), options, type=self, app=app))

    def replace(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: a task's result is what it returns itself.

        Raises:
            Unmapped: always.
        """
        raise Unmapped("`self.replace()`", "Submit the other tasks and return, or build a chain before.")

    def add_to_chord(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: what a chord waits for is fixed when it is submitted.

        Raises:
            Unmapped: always.
        """
        raise Unmapped("`self.add_to_chord()`", "Put all tasks into the chord before it is submitted.")


def _send_by_name(app: Celery, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
    """Stand in for `app.send_task`."""
    task = options.pop("task_type", None)
    if getattr(task, "ignore_result", False):  # Celery's own `apply_async` says it for a task with a base of its own
        options.pop("ignore_result", None)
    return send(app, Signature(name, tuple(args or ()), dict(kwargs or {}), options, app=app))
