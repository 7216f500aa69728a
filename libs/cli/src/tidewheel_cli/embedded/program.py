"""A program that runs as our child, in the foreground, and never outlives us.

On Linux the kernel signals it when we die, even by `kill -9`. macOS cannot be asked for that: there only the undertaker
of `tidewheel dev` ends it, and a killed test run leaves its servers behind.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidewheel_cli.errors import CannotStart
from tidewheel_cli.waiting import first_of

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL = 0.02  # seconds between two looks at whether a program is ready
_LAST_LINES = 15

SAME = "same"
"""The identity of a program that runs as whoever we are."""


async def always_ready() -> bool:
    """Answer for a program that is ready once it runs."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How to start one program, when it counts as ready, and how to stop it.

    Attributes:
        environment: all of it; nothing is inherited.
        log: the file that receives what it prints.
        ready: tells whether it does its work; may be asked often.
        identity: `same`, `namespace:<uid>` or `user:<uid>`; see `launch.py`.
        stop_signal: asks it to end.
        death_signal: what it gets when we die.
        patience: seconds that it may take to become ready.
        grace: seconds that it may take to stop before it is killed.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[], Awaitable[bool]] = always_ready
    identity: str = SAME
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    patience: float = 120.0
    grace: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that can be started, and the address that it will answer on."""

    program: Program
    url: str


@contextlib.asynccontextmanager
async def running(program: Program) -> AsyncIterator[None]:
    """Run a program for as long as the block lasts; the block begins when it is ready.

    Raises:
        CannotStart: it ended, or was not ready in time.
    """
    process = await start(program)
    try:
        await until_ready(process, program)
        yield
    finally:
        await stop(process, program)


async def start(program: Program) -> Process:
    """Start a program as the head of its own process group.

    Raises:
        RuntimeError: called outside of the main thread. The death signal belongs to the thread that starts a process.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Programs are started from the main thread: they die with the thread that started them.")
    with _appending(program.log) as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_LAUNCH)),
            *(str(os.getpid()), str(int(program.death_signal)), program.identity),
            *program.command,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            env=program.environment,
            process_group=0,
        )


async def finish(program: Program) -> None:
    """Run a program to its end.

    Raises:
        CannotStart: it ended with another exit code than 0.
    """
    process = await start(program)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await stop(process, program)
        raise
    if code != 0:
        raise CannotStart(f"{program.name} {how_it_ended(code)}. {last_words(program.log)}")


async def until_ready(process: Process, program: Program) -> None:
    """Wait until a started program is ready.

    Raises:
        CannotStart: it ended, or was not ready in time.
    """
    try:
        async with asyncio.timeout(program.patience):
            while not await program.ready():
                await first_of(process.wait(), patience=_POLL)
                if process.returncode is not None:
                    raise CannotStart(
                        f"{program.name} {how_it_ended(process.returncode)} before it was ready. "
                        f"{last_words(program.log)}"
                    )
    except TimeoutError:
        raise CannotStart(
            f"{program.name} was not ready within {program.patience:g} s. {last_words(program.log)}"
        ) from None


async def stop(process: Process, program: Program, *, hurry: asyncio.Event | None = None) -> None:
    """Ask a program to end, and kill it when it takes longer than its grace, or when there is a hurry."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(program.stop_signal)
    await first_of(process.wait(), *(() if hurry is None else (hurry.wait(),)), patience=program.grace)
    kill_group(process.pid)
    await process.wait()


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that a program headed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def how_it_ended(code: int) -> str:
    """Say how a process ended, as the rest of a sentence."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def size_of(log: Path) -> int:
    """Return how much a log holds already, in bytes."""
    return log.stat().st_size if log.exists() else 0


def last_words(log: Path, *, since: int = 0) -> str:
    """Return the end of what a log has received since it had a size, with a sentence that says where the rest is."""
    try:
        lines = log.read_bytes()[since:].decode(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    if not lines:
        return f"It wrote nothing to {log}."
    return "\n".join((f"The last lines of {log}:", *(f"  {line}" for line in lines[-_LAST_LINES:])))


def _appending(log: Path) -> contextlib.AbstractContextManager[int]:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _closing(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
