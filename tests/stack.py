"""A whole Tidewheel for a test: what `tidewheel dev` starts, in a directory of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import wait_until

_START = 240.0  # seconds; a first start creates the database, and a loaded machine takes its time
_STOP = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where a running stack is found."""

    api_url: str
    api_key: str
    database_url: str
    redis_url: str
    pid: int
    services: dict[str, int]
    directory: Path

    @classmethod
    def read(cls, directory: Path) -> "Stack":
        """Read what the running stack has written; its services' process ids change when they are restarted."""
        found = json.loads((directory / "stack.json").read_text(encoding="utf-8"))
        return cls(
            api_url=found["api_url"],
            api_key=found["api_key"],
            database_url=found["database_url"],
            redis_url=found["redis_url"],
            pid=found["pid"],
            services=found["services"],
            directory=directory,
        )

    def logs(self) -> str:
        """Return everything that the services have logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted((self.directory / "logs").iterdir()))


@asynccontextmanager
async def running_stack(
    directory: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """Start a stack and stop it again; `environment` is added to what it inherits.

    Raises:
        RuntimeError: it did not come up, or did not stop by itself; the message has its output.
    """
    output = directory / "stack.out"
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *("env", *(f"{name}={value}" for name, value in (environment or {}).items())),
            *(sys.executable, "-m", "tidewheel_cli", "dev", "--state-dir", str(directory), "--port", "0", *arguments),
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await _ready(process, output)
            yield Stack.read(directory)
        finally:
            await _stop(process)


async def _ready(process: asyncio.subprocess.Process, output: Path) -> None:
    def ready() -> bool:
        if process.returncode is not None:
            raise RuntimeError(f"The stack ended with {process.returncode}:\n{output.read_text()}")
        return b"curl" in output.read_bytes()

    await wait_until(ready, timeout=_START, what="the start of the stack")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), _STOP)
    except TimeoutError:
        process.kill()
        raise
