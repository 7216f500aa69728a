"""Tells the undertaker which process groups to end should we be killed."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from tidewheel_cli.embedded.program import Program

_UNDERTAKER = Path(__file__).with_name("undertaker.py")


class Guard:
    """The process groups that must not outlive us."""

    def __init__(self, undertaker: asyncio.StreamWriter) -> None:
        self._undertaker = undertaker

    def watch(self, process: Process, program: Program) -> None:
        """Let the group of a process get its program's death signal when we are killed."""
        self._tell(f"+{process.pid} {int(program.death_signal)}\n")

    def forget(self, process: Process) -> None:
        """Let a group be: its processes have ended, and its number may be given to others."""
        self._tell(f"-{process.pid}\n")

    def _tell(self, line: str) -> None:
        if not self._undertaker.is_closing():
            self._undertaker.write(line.encode())


@contextlib.asynccontextmanager
async def guarded() -> AsyncIterator[Guard]:
    """Run an undertaker for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(_UNDERTAKER)), stdin=PIPE, start_new_session=True
    )
    if process.stdin is None:
        raise RuntimeError("A process that was started with a pipe has one.")
    try:
        yield Guard(process.stdin)
    finally:
        process.stdin.close()
        await process.wait()
