"""One more executor beside the one of a stack: a process of its own in the same surroundings, like another pod."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from tests.bench.rig import HANDLERS, Rig
from tests.support import wait_until

from tidewheel_cli.dev.readiness import is_ready
from tidewheel_cli.embedded.ports import free_ports

_START = 60.0  # seconds
_STOP = 30.0


@asynccontextmanager
async def another_executor(rig: Rig, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """Run an executor for as long as the block lasts; the block begins when it is ready.

    Args:
        rig: the stack that it works for.
        settings: its own `TIDEWHEEL_` variables.
    """
    (port,) = free_ports(1)
    directory = rig.stack.directory
    with (directory / "logs" / "another-executor.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidewheel_executor"),
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env={
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                **rig.surroundings,
                "TIDEWHEEL_DATABASE_URL": rig.stack.database_url,
                "TIDEWHEEL_REDIS_URL": rig.stack.redis_url,
                "TIDEWHEEL_KEYS": (directory / "secrets" / "keys").read_text(encoding="utf-8").strip(),
                "TIDEWHEEL_HANDLERS": HANDLERS,
                "TIDEWHEEL_HEALTH_PORT": str(port),
                **settings,
            },
        )
    try:
        await wait_until(partial(is_ready, port), timeout=_START, what="the start of another executor")
        yield
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP)
    except TimeoutError:
        process.kill()
        raise
