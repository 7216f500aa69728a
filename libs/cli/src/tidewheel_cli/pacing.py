"""The pause between two looks at something that goes on."""

from threading import Event
from typing import Final

LOOK_EVERY: Final = 0.5
"""Seconds."""

_NEVER: Final = Event()


def pause() -> None:
    """Wait until it is time to look again; Ctrl-C ends it."""
    _NEVER.wait(LOOK_EVERY)
