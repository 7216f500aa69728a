"""Lets no child outlive its main process."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent has ended; to be called right after the fork.

    A killed executor is lost: its tasks start again elsewhere, and an orphan would go on running the same ones. Only
    Linux can be asked; elsewhere an orphan ends with the task that it runs, and the fence refuses what it records.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
