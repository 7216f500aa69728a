"""Celery's event loop, which asks the kernel only for what changes.

On each turn Celery's pool takes the pipe of every child out of the loop, whether it is in it or not, and kombu puts
each connection to Redis into it once more. The kernel refuses both, and for a lone task there are four turns.
"""

from collections.abc import Callable
from typing import Any

from kombu.asynchronous.hub import READ
from kombu.utils.compat import fileno

from tidewheel_executor.transport.stock import StockHub


class Hub(StockHub):
    """Chosen by our connection, as its `requires_hub`."""

    def add(
        self,
        fd: Any,
        callback: Callable[..., Any] | None,
        flags: int,
        args: tuple[Any, ...] = (),
        consolidate: bool = False,
    ) -> None:
        """Watch a file descriptor, unless it is watched for this already. Who closes one takes it out first."""
        if not (flags & READ and self.readers.get(fileno(fd)) == (callback, args)):
            super().add(fd, callback, flags, args, consolidate)

    def remove_writer(self, fd: Any) -> None:
        """Watch no more whether a file descriptor can be written to, if it was watched."""
        if fileno(fd) in self.writers:
            super().remove_writer(fd)
