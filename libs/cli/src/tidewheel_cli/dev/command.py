"""The command `tidewheel dev`: start a stack, say how to use it, and stop it when asked."""

import asyncio
import contextlib
import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tidewheel_cli.dev.address import Stack
from tidewheel_cli.dev.blueprint import TIDEWHEEL, Blueprint
from tidewheel_cli.dev.options import Options
from tidewheel_cli.dev.stack import running_stack
from tidewheel_cli.waiting import first_of

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXAMPLE = {"handler": "demo.echo", "payload": {"hello": "world"}}


@dataclass(slots=True)
class _Wishes:
    """What the signals have asked for."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self) -> None:
        """Stop at the first signal; kill what still runs at the second."""
        (self.hurry if self.stop.is_set() else self.stop).set()


async def dev(
    options: Options, *, say: Callable[[str], None], report: Callable[[str], None], blueprint: Blueprint = TIDEWHEEL
) -> None:
    """Run a stack until SIGINT, SIGTERM or SIGHUP.

    Args:
        options: what to start it with.
        say: receives what the user asked for: how to use the stack.
        report: receives what the user should know besides.
        blueprint: what it is made of.

    Raises:
        CannotStart: it did not start, or could not be kept running.
    """
    wishes = _Wishes()
    serving = asyncio.ensure_future(_serve(options, wishes, say=say, report=report, blueprint=blueprint))
    with _signals_heard(wishes.heard):
        await first_of(asyncio.wait({serving}), wishes.stop.wait())
        if not serving.done():
            report("Stopping. Press Ctrl-C again to kill what still runs.")
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(
    options: Options,
    wishes: _Wishes,
    *,
    say: Callable[[str], None],
    report: Callable[[str], None],
    blueprint: Blueprint,
) -> None:
    began = time.monotonic()
    async with running_stack(options, report=report, blueprint=blueprint, hurry=wishes.hurry) as stack:
        say(introduction(stack.address, options.state_dir, seconds=time.monotonic() - began))
        await stack.until_broken()


def introduction(stack: Stack, state_dir: Path, *, seconds: float) -> str:
    """Say how to use a stack that has just started."""
    curl = (
        f"curl -H 'Authorization: Bearer {stack.api_key}' -H 'Content-Type: application/json' {stack.api_url}/v1/tasks"
    )
    return "\n".join(
        (
            f"Tidewheel is ready after {seconds:.1f} s.",
            "",
            f"  API   {stack.api_url}   (every call: {stack.api_url}/docs)",
            f"  Key   {stack.api_key}",
            f"  Logs  {state_dir / 'logs'}",
            "",
            f"  {curl} -d '{json.dumps(_EXAMPLE)}'",
            "",
            "Ctrl-C stops it.",
        )
    )


@contextlib.contextmanager
def state_directory(wanted: Path, *, ephemeral: bool) -> Iterator[Path]:
    """Give the directory for the state; an ephemeral one is gone after the block."""
    if not ephemeral:
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="tidewheel-") as directory:
        yield Path(directory)


@contextlib.contextmanager
def _signals_heard(heard: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
