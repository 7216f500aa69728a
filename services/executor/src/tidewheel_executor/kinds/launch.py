"""Limits the process that this is, then becomes the program that it was given: `launch.py '{"RLIMIT_…": n}' program …`.

It runs by itself, without anything of Tidewheel: in a process that has threads, nothing may happen between a fork and
an exec.
"""

import ctypes
import json
import os
import resource
import signal
import sys

NOT_FOUND = 127

_PR_SET_PDEATHSIG = 1
_MOST_FILES = 65_536


def main(limits: str, program: list[str]) -> None:
    """Close what was open, set the limits, ask to be killed with the executor, and become the program."""
    # What somebody has opened without care in the executor would be the script's too.
    os.closerange(3, _MOST_FILES)
    for name, value in json.loads(limits).items():
        number = getattr(resource, name)
        _, most = resource.getrlimit(number)
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(number, (least, least))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvp(program[0], program)  # noqa: S606 -- this is what it is for
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be run: {error.strerror}.\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
