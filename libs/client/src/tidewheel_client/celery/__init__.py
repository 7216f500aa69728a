"""The Celery drop-in: one line makes an existing app's tasks durable.

    app = Celery("shop", broker=…, task_cls="tidewheel_client.celery:DurableTask")

From then on `.delay()`, `.apply_async()`, `send_task()`, `chain`, `group` and `chord` of that app submit durable tasks
to the gateway at `TIDEWHEEL_URL`, under `TIDEWHEEL_API_KEY`, and an executor with `TIDEWHEEL_CELERY_APP=shop:app` runs
the same functions. What cannot be mapped raises `Unmapped`, which names it; nothing is sent then.
"""

from tidewheel_client.celery.canvas import make_canvas_durable
from tidewheel_client.celery.refusals import TaskFailed, Unmapped
from tidewheel_client.celery.task import DurableTask

__all__ = ["DurableTask", "TaskFailed", "Unmapped"]

make_canvas_durable()
