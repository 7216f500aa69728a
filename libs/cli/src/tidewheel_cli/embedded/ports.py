"""TCP ports on the loopback address."""

import errno
import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
_CANDIDATES = range(20_000, 32_768)
"""Below what Linux (32768, ip(7)) and macOS (49152) give to whoever asks for any port or connects: what is free here
stays free until the process that it was chosen for has come up."""


def free_ports(count: int, *, choose: Callable[[range], int] = secrets.choice) -> tuple[int, ...]:
    """Return ports that were free a moment ago, all different.

    Args:
        count: how many.
        choose: takes the port to begin at.

    Raises:
        OSError: so many are not to be had.
    """
    begin = choose(_CANDIDATES)
    free: list[int] = []
    with ExitStack() as held:
        for port in (*range(begin, _CANDIDATES.stop), *range(_CANDIDATES.start, begin)):
            if len(free) == count:
                break
            if _bound(port, held):
                free.append(port)
    if len(free) < count:
        raise OSError(errno.EADDRINUSE, f"{count} ports of {LOOPBACK} are wanted, and {len(free)} are free")
    return tuple(free)


def is_taken(port: int) -> bool:
    """Tell whether somebody listens on a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def _bound(port: int, held: ExitStack) -> bool:
    candidate = held.enter_context(socket.socket())
    try:
        candidate.bind((LOOPBACK, port))
    except OSError:
        candidate.close()
        return False
    return True
