"""Celery Beat's scheduler, on PostgreSQL.

It keeps no schedule file and never publishes to the broker: firing inserts the task's row, and the dispatcher takes it
from there. Beat's main loop calls `tick()` for ever; each call lends the thread to our loops for a while.
"""

import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Any

from celery.beat import Scheduler

from tidewheel_common.process.hosted import SlicedLoops
from tidewheel_common.process.probes import CannotListen
from tidewheel_common.process.service import Process, open_process
from tidewheel_common.process.settings import EXIT_SETTINGS, load_settings
from tidewheel_scheduler.loops import TRANSIENT, build_loops
from tidewheel_scheduler.settings import SchedulerSettings

SLICE = 1.0
"""Seconds that a tick lends to the loops."""


class PostgresScheduler(Scheduler):
    """Promotes, fires, expires and rescues in PostgreSQL. Any number of Beat processes may run side by side."""

    _process: Process[SchedulerSettings]
    _loops: SlicedLoops[SchedulerSettings] | None = None
    _lent = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._resources = ExitStack()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Read the settings and start the loops. Beat calls it once, and not at all to show its banner.

        Raises:
            SystemExit: with code 2, after a sentence on standard error, when the settings are wrong or the probes' port
                is taken.
        """
        self._stop_on_signals()
        settings = load_settings(SchedulerSettings)
        try:
            self._process = self._resources.enter_context(open_process("scheduler", settings))
        except CannotListen as error:
            raise SystemExit(_refuse(str(error))) from error
        self._loops = SlicedLoops(self._process, build_loops, transient=TRANSIENT)

    def tick(self, *_: Any, **__: Any) -> float:
        """Lend the thread to the loops for a while; return 0: Beat need not pause.

        Raises:
            SystemExit: with code 0, once a signal has asked the process to stop and the loops have ended.
            LoopFailed: a loop has failed.
        """
        if self._loops is None:
            return SLICE
        self._lent = True
        try:
            going = self._loops.advance(SLICE)
        finally:
            self._lent = False
        if not going:
            raise SystemExit(0)
        return 0.0

    def close(self) -> None:
        """Let the loops finish what they have in hand, and close the connections."""
        if self._lent:  # Beat's own signal handler calls from inside the loops; it calls again when they have returned
            return
        if self._loops is not None:
            self._loops.close(self._process.settings.stop_grace)
        self._resources.close()
        super().close()

    def _stop_on_signals(self) -> None:
        """Stop in good order on the first signal; the next one meets Beat's own handler, which ends at once.

        Beat's handler raises SystemExit wherever the thread happens to be, which would be in the middle of a tick.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

        def stop(_: int, __: FrameType | None) -> None:
            for each, handler in before.items():
                signal.signal(each, handler)
            if self._loops is None:
                raise SystemExit(0)
            self._process.stop.set()

        for each in before:
            signal.signal(each, stop)


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return EXIT_SETTINGS
