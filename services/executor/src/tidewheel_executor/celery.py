"""The executor's Celery app, from the environment: `celery -A tidewheel_executor worker`, `... inspect ping`."""

from tidewheel_common.process.settings import load_settings
from tidewheel_executor.app import create_app
from tidewheel_executor.lost import report_lost
from tidewheel_executor.settings import ExecutorSettings

app = create_app(load_settings(ExecutorSettings), report_lost=report_lost)
