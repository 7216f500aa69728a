"""`tidewheel demo`: on the stack that is named, on the one that runs here, or on one of its own."""

import asyncio
import contextlib
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console

from tidewheel_cli.demo.show import run_demo
from tidewheel_cli.dev.address import read_stack
from tidewheel_cli.errors import CannotStart
from tidewheel_client import AsyncClient, ClientError

START_DEADLINE = 240.0
"""Seconds that a stack of our own may take to come up, its first start included."""


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway and a key to it; `ca` is the authority behind its certificate, where that is none of the system's."""

    url: str
    api_key: str
    ca: Path | None = None

    def client(self) -> AsyncClient:
        """Return a client of it."""
        if self.ca is None:
            return AsyncClient(self.url, self.api_key)
        trusted = ssl.create_default_context(cafile=str(self.ca))
        return AsyncClient(self.url, self.api_key, transport=httpx2.AsyncHTTPTransport(verify=trusted))


async def demo(*, target: Target | None, state_dir: Path, console: Console) -> bool:
    """Run the demo and tell whether everything ended as it should."""
    async with _stack(target, state_dir, console) as found, found.client() as client:
        console.print(f"Tidewheel at {found.url}")
        try:
            met = await run_demo(client, console)
        except ClientError as error:
            console.print(f"[red]The demo stopped: {error}[/red]")
            return False
    console.line()
    console.print("Everything ended as it should." if met else "[red]Not everything ended as it should.[/red]")
    return met


@contextlib.asynccontextmanager
async def _stack(target: Target | None, state_dir: Path, console: Console) -> AsyncIterator[Target]:
    running = target or _running(state_dir)
    if running is not None:
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="tidewheel-") as directory:
        console.print("No stack runs here; starting one for the demo.")
        async with _own_stack(Path(directory)) as own:
            yield own


def _running(state_dir: Path) -> Target | None:
    stack = read_stack(state_dir)
    return Target(stack.api_url, stack.api_key) if stack is not None else None


@contextlib.asynccontextmanager
async def _own_stack(directory: Path) -> AsyncIterator[Target]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_cli", "dev", "--state-dir", str(directory), "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield await _wait_for_stack(process, directory)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _wait_for_stack(process: asyncio.subprocess.Process, directory: Path) -> Target:
    try:
        async with asyncio.timeout(START_DEADLINE):
            while process.returncode is None:
                found = _running(directory)
                if found is not None:
                    return found
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise CannotStart(
            f"The stack was not ready within {START_DEADLINE:.0f} s. Start one by `make up`, and try again."
        ) from None
    raise CannotStart(
        f"The stack ended with exit code {process.returncode} before it was ready; see its message above."
    )
