"""Ends what a killed supervisor leaves behind: it runs beside it, as a file, and only listens.

The kernel ends our own children on Linux (see `embedded/launch.py`), but not their children, such as the pool of an
executor or what a handler has started, and on macOS none at all. A pipe tells on every system when its writer is gone.

Reads `+GROUP SIGNAL` and `-GROUP`, one a line; at the end of the input each group left gets its signal.
"""

import os
import signal
import sys


def main() -> None:
    """Listen until the supervisor is gone, then signal every process group that it has left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the end of the supervisor counts
    left: dict[int, int] = {}
    for line in sys.stdin:
        group, *number_text = line[1:].split()
        if line.startswith("+"):
            left[int(group)] = int(number_text[0])
        else:
            left.pop(int(group), None)
    for group_left, number_left in left.items():
        try:
            os.killpg(group_left, number_left)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
