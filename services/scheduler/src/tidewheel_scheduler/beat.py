"""Celery Beat's scheduler, on PostgreSQL.

It keeps no schedule file and never publishes to the broker: firing inserts the task's row, and the dispatcher takes it
from there. Beat's main loop calls `tick()` for ever; each call lends the thread to our loops for a while.
"""

import sys
from contextlib import ExitStack
from typing import Any

from celery.beat import Scheduler

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.process.hosted import SlicedLoops
from tidewheel_common.process.service import Process, open_process
from tidewheel_common.process.settings import EXIT_SETTINGS, load_settings
from tidewheel_common.weather import store_is_away
from tidewheel_scheduler.loops import build_loops
from tidewheel_scheduler.settings import SchedulerSettings

SLICE = 1.0
"""Seconds that a tick lends to the loops."""


class PostgresScheduler(Scheduler):
    """Promotes, fires, expires and rescues in PostgreSQL. Any number of Beat processes may run side by side."""

    _process: Process[SchedulerSettings]
    _loops: SlicedLoops[SchedulerSettings] | None = None
    _closing = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._resources = ExitStack()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Read the settings and start the loops. Beat calls it once, and not at all to show its banner.

        Raises:
            SystemExit: with code 2, after a sentence on standard error, when the settings are wrong or the probes' port
                is taken.
        """
        settings = load_settings(SchedulerSettings)
        try:
            if settings.celery_app is not None:
                settings.keyring()
            self._process = self._resources.enter_context(open_process("scheduler", settings))
        except Misconfigured as error:
            raise SystemExit(_refuse(str(error))) from error
        self._loops = SlicedLoops(self._process, build_loops, transient=store_is_away)

    def tick(self, *_: Any, **__: Any) -> float:
        """Lend the thread to the loops for a while; return 0: Beat need not pause.

        Raises:
            SystemExit: by Beat's signal handler, which runs after the slice that a signal has ended.
            LoopFailed: a loop has failed.
        """
        if self._loops is not None:
            self._loops.advance(SLICE)
        return 0.0

    def close(self) -> None:
        """Let the loops finish what they have in hand, and close the connections. Beat calls it more than once."""
        if self._closing:
            return
        self._closing = True
        if self._loops is not None:
            self._loops.close(self._process.settings.stop_grace)
        self._resources.close()
        super().close()


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return EXIT_SETTINGS
