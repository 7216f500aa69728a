"""How a script is walled in: limits for all of them, and bubblewrap where there is one."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidewheel_executor.kinds.kind import Failure
from tidewheel_executor.kinds.settings import KindSettings

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_NEEDED = (sys.base_prefix, sys.prefix, _LAUNCH)
"""What the launcher runs from: it may lie in a directory that the wall hides."""
_MEBIBYTE = 1024 * 1024
_OPEN_FILES = 256


def launched(argv: Sequence[str], settings: KindSettings) -> list[str]:
    """Return the command that limits itself before it becomes another one."""
    limits = {
        "RLIMIT_CPU": settings.script_cpu_seconds,
        "RLIMIT_AS": settings.script_memory_mib * _MEBIBYTE,
        "RLIMIT_FSIZE": settings.script_file_mib * _MEBIBYTE,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    return [sys.executable, "-I", "-S", _LAUNCH, json.dumps(limits), *argv]


def clean_environment(given: Mapping[str, str], *, home: str, task_id: str, attempt: int) -> dict[str, str]:
    """Return what a script finds in its environment: nothing of the executor's own."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        **given,
        "HOME": home,
        "TMPDIR": home,
        "TIDEWHEEL_TASK_ID": task_id,
        "TIDEWHEEL_ATTEMPT": str(attempt),
    }


async def walled(argv: Sequence[str], directory: str, settings: KindSettings) -> list[str]:
    """Return a command within bubblewrap, or as it is where the settings do not ask for it and there is none.

    Raises:
        Failure: it is required, and does not work here.
    """
    if settings.script_sandbox == "off":
        return list(argv)
    program = shutil.which("bwrap", path=PATH)
    if program is not None and await _works(_wall(program, directory, settings)):
        return [*_wall(program, directory, settings), *argv]
    if settings.script_sandbox == "required":
        raise Failure("Scripts must run under bubblewrap (TIDEWHEEL_SCRIPT_SANDBOX), which does not work here.")
    return list(argv)


def _wall(program: str, directory: str, settings: KindSettings) -> list[str]:
    return [
        *(program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *(("--share-net",) if settings.script_network else ()),
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"),  # noqa: S108 -- its own
        *(word for path in _NEEDED for word in ("--ro-bind", path, path)),
        *("--bind", directory, directory, "--chdir", directory, "--"),
    ]


async def _works(wall: Sequence[str]) -> bool:
    """Tell whether bubblewrap can do here what is asked of it; many containers do not let it."""
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*wall, "true", stdin=nowhere, stdout=nowhere, stderr=nowhere)
    return await process.wait() == 0
