"""Starts an executor: `python -m tidewheel_executor`."""

import sys
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.process.settings import EXIT_SETTINGS, load_settings
from tidewheel_executor.app import create_app
from tidewheel_executor.executor import executor_of
from tidewheel_executor.lost import report_lost
from tidewheel_executor.settings import ExecutorSettings


def worker_arguments(app: Celery) -> list[str]:
    """Return what Celery's command line is told."""
    executor = executor_of(app)
    # Several executors may run on one host; `inspect` tells them apart by their names.
    name = f"executor-{executor.id.hex[:8]}@%h"
    level = executor.settings.log_level
    events = ["--task-events"] if executor.settings.celery_events else ["--without-heartbeat"]
    flags = ["-O", "fair", "--without-gossip", "--without-mingle", *events]
    return ["--quiet", "worker", "--pool", "prefork", "--hostname", name, "--loglevel", level, *flags]


def run(app: Celery) -> int:
    """Run a worker until SIGTERM, and return the exit code."""
    # Only JSON is accepted, so running as root adds no danger of its own.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        Keyring.parse(executor_of(app).settings.keys.get_secret_value())
        app.loader.import_default_modules()
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_SETTINGS
    except ImportError as error:
        sys.stderr.write(
            f"The handlers cannot be imported: {error}. Check TIDEWHEEL_HANDLERS, and that its modules are installed "
            "or lie in the working directory.\n"
        )
        return EXIT_SETTINGS
    code: int | None = app.start(argv=worker_arguments(app))
    return code or 0


if __name__ == "__main__":
    sys.exit(run(create_app(load_settings(ExecutorSettings), report_lost=report_lost)))
