"""Starts an executor on the throw-away handlers: `python -m tests.integration.throwaway_worker`."""

import sys

from tests.integration.throwaway import report_lost

from tidewheel_common.process.settings import load_settings
from tidewheel_executor.__main__ import run
from tidewheel_executor.app import create_app
from tidewheel_executor.settings import ExecutorSettings

if __name__ == "__main__":
    settings = load_settings(ExecutorSettings)
    sys.exit(run(create_app(settings, report_lost=report_lost, execute="tests.integration.throwaway")))
