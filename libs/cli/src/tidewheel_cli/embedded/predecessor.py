"""A server of an earlier run that still works on a directory because its parent was killed a moment ago."""

import asyncio
import contextlib
import os
from pathlib import Path


async def until_predecessor_ended(pid_file: Path, directory: Path, *, patience: float = 20.0) -> None:
    """Wait until the process that a pid file names has left the directory, or the patience (seconds) is over.

    Only Linux tells where a process works; elsewhere the server itself refuses a directory that is in use.
    """
    descriptor = _open_predecessor(pid_file, directory)
    if descriptor is None:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), patience)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _open_predecessor(pid_file: Path, directory: Path) -> int | None:
    """Return a descriptor that becomes readable when the process ends (pidfd_open(2))."""
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
        if Path(f"/proc/{pid}/cwd").samefile(directory):
            return os.pidfd_open(pid)
    except (OSError, ValueError, IndexError):
        pass  # no file, not a pid, or no such process any more: nobody is there
    return None
