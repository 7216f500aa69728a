"""`script.run`: runs a program of the executor's machine. It is served only where `TIDEWHEEL_KINDS` names it.

Without bubblewrap a script may do whatever the executor's user may: only for tenants who are trusted with that.
"""

import asyncio
import os
import signal
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from pydantic import Field

from tidewheel_executor.kinds.kind import Failure, kind
from tidewheel_executor.kinds.sandbox import clean_environment, launched, walled
from tidewheel_executor.kinds.settings import settings_of

Word = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=100_000)]

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]

_CHUNK = 65_536
_SIGNALLED = 128
_SHOWN = 2_000
"""Characters of what a failed script wrote that are shown in the error."""


@kind("script.run")
async def run(  # noqa: D417 -- the docstring is published, and no payload has a self
    self: Any,
    *,
    argv: Annotated[list[Word], Field(min_length=1, max_length=1000)],
    stdin: str | None = None,
    env: dict[Name, Word] | None = None,
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 60.0,  # noqa: ASYNC109 -- the task's owner sets it
    expected_exit: Annotated[list[int], Field(min_length=1)] | None = None,
) -> dict[str, Any]:
    """Run a program, without a shell, and return its exit code and what it wrote.

    It gets a new directory, a new process group and a clean environment with TIDEWHEEL_TASK_ID and TIDEWHEEL_ATTEMPT.
    When its time is over, the whole group is killed.

    Args:
        argv: the program and its arguments.
        stdin: what it may read.
        env: more for its environment.
        timeout: seconds.
        expected_exit: the exit codes that count as success; 0 when they are left out. 128 and its number is a signal's.
    """
    settings = settings_of(self.app)
    with TemporaryDirectory(prefix="tidewheel-script-") as directory:
        command = await walled(launched(argv, settings), directory, settings)
        environment = clean_environment(
            env or {}, home=directory, task_id=str(self.request.id), attempt=self.request.attempt
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout):
                ended = await _outcome(process, stdin, settings.script_output_bytes)
        except TimeoutError:
            raise Failure(f"{argv[0]} was killed after its timeout of {timeout:g} s.") from None
        finally:
            await _end(process)
    if ended["exit_code"] not in (expected_exit or [0]):
        raise Failure(f"{argv[0]} {_ending(ended['exit_code'])}. {ended['stderr'][-_SHOWN:]}".rstrip())
    return ended


async def _outcome(process: asyncio.subprocess.Process, stdin: str | None, most: int) -> dict[str, Any]:
    (stdout, cut_out), (stderr, cut_err), _ = await asyncio.gather(
        _take(process.stdout, most), _take(process.stderr, most), _feed(process.stdin, stdin)
    )
    return {
        "exit_code": _exit_code(await process.wait()),
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
        "truncated": cut_out or cut_err,
    }


async def _take(stream: asyncio.StreamReader | None, most: int) -> tuple[bytes, bool]:
    """Return the beginning of a stream, and whether there was more; all of it is read, so that its writer goes on."""
    kept = bytearray()
    length = 0
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        length += len(chunk)
        kept += chunk[: most - len(kept)]
    return bytes(kept), length > most


async def _feed(stream: asyncio.StreamWriter | None, text: str | None) -> None:
    if stream is None:
        return
    with suppress(OSError, RuntimeError):  # it need not read; uvloop has an error of its own for that
        stream.write((text or "").encode("utf-8", "replace"))
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of a script's process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def _exit_code(returned: int) -> int:
    """Return the exit code as a shell and bubblewrap give it: 128 and the signal's number where a signal ended it."""
    return returned if returned >= 0 else _SIGNALLED - returned


def _ending(code: int) -> str:
    with suppress(ValueError):
        return f"was killed by {signal.Signals(code - _SIGNALLED).name}"
    return f"ended with the exit code {code}"
