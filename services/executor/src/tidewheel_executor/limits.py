"""The soft time limit of `def` handlers: raised in the handler that overruns, and nowhere else."""

import _signal  # type: ignore[import-not-found]  # what `signal` wraps
import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

_installed: Callable[[int], object] = _signal.getsignal
"""The interpreter's own function: the wrapper in `signal` tries to make an enum of every handler, and takes a tenth of
what a short task costs (measured with 50,000 no-op tasks)."""

_MOMENT = 0.001
"""Seconds until a signal comes again that came while none of the handler's own code was running."""


class SoftLimit:
    """Interrupts what it calls, from the main thread of a process.

    Celery's own soft limit, which its main process sends as SIGUSR1, is guarded in the same way: billiard's handler for
    it would raise in whatever runs, and that may be the statement that records the result.
    """

    def __init__(self) -> None:
        self._armed = False
        self._error: Exception | None = None
        self._handler = self._ring

    def guard(self) -> None:
        """Take the signals over, again if need be: billiard sets its own late, and a handler may set what it likes."""
        for number in (signal.SIGALRM, signal.SIGUSR1):
            if _installed(number) is not self._handler:
                signal.signal(number, self._handler)

    def call(self, seconds: float, function: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a function and return what it returns.

        Raises:
            SoftTimeLimitExceeded: raised within the function, once, after so many seconds; it may catch it.
            Exception: raised within the function, instead of that, when somebody interrupts it.
        """
        self.guard()
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return function(**kwargs)
        finally:
            self._armed = False
            self._error = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def interrupt(self, error: Exception) -> None:
        """Raise an error within the function that is being called, in a moment; nothing happens when none is."""
        if self._armed:
            self._error = error
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if not self._armed:
            return
        if frame is None or frame.f_code is SoftLimit.call.__code__:
            # The function has not begun, or has just ended: raising here would lose what it returned or raised.
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)
            return
        self._armed = False
        raise SoftTimeLimitExceeded if self._error is None else self._error
