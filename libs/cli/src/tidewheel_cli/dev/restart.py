"""How long a service that died stays down. Pure."""

FIRST = 0.2
LONGEST = 5.0
"""Seconds; the pause doubles from the first to the longest."""

SETTLED = 10.0
"""Seconds of life after which an earlier death no longer counts."""

TRIES = 5
"""How often a service may die before it has ever been ready."""


def restart_delay(previous: float | None, *, lived: float) -> float:
    """Return the seconds to wait before a service that died is started again.

    Args:
        previous: the pause before its last start; None if that was its first.
        lived: seconds from its last start to its death.
    """
    if previous is None or lived >= SETTLED:
        return FIRST
    return min(previous * 2, LONGEST)


def is_hopeless(*, deaths: int, was_ready: bool) -> bool:
    """Tell whether starting it again is of no use: it has never been ready and has died too often."""
    return not was_ready and deaths >= TRIES
