"""Keeps one program running until it is told to stop."""

import asyncio
import contextlib
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable

from tidewheel_cli.dev.guard import Guard
from tidewheel_cli.dev.restart import is_hopeless, restart_delay
from tidewheel_cli.embedded.program import (
    Program,
    how_it_ended,
    kill_group,
    last_words,
    size_of,
    start,
    stop,
    until_ready,
)
from tidewheel_cli.errors import CannotStart
from tidewheel_cli.waiting import first_of, in_background


class Supervised:
    """A program that is started again whenever it dies.

    Attributes:
        ready: set once it has been ready.
        pid: of the process that runs, or that ran last.
    """

    def __init__(
        self,
        program: Program,
        *,
        report: Callable[[str], None],
        changed: Callable[[], None],
        guard: Guard,
        hurry: asyncio.Event,
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.pid: int | None = None
        self._report = report
        self._changed = changed
        self._stopping = asyncio.Event()
        self._guard = guard
        self._hurry = hurry
        self._task = asyncio.create_task(self._keep(), name=program.name)

    async def until_ready(self) -> None:
        """Wait for its first readiness.

        Raises:
            CannotStart: it died too often before, or was not ready in time.
        """
        await first_of(self.ready.wait(), self.until_over(), patience=self.program.patience)
        self.raise_failure()
        if not self.ready.is_set():
            raise CannotStart(
                f"{self.program.name} was not ready within {self.program.patience:g} s. {last_words(self.program.log)}"
            )

    async def until_over(self) -> None:
        """Wait until it no longer runs and will not be started again."""
        await asyncio.wait({self._task})

    def raise_failure(self) -> None:
        """Raise why it will not be started again, if that is so."""
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Ask it to end, wait for as long as its grace, and then kill it; when there is a hurry, kill it at once."""
        self._stopping.set()
        await asyncio.wait({self._task})

    async def _keep(self) -> None:
        delay: float | None = None
        deaths = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            since = size_of(self.program.log)
            code = await self._live()
            if self._stopping.is_set():
                return
            deaths += 1
            self._give_up_if_hopeless(deaths, code, since)
            delay = restart_delay(delay, lived=time.monotonic() - began)
            self._report(
                f"{self.program.name} {how_it_ended(code)}; it starts again in {delay:g} s. "
                f"{last_words(self.program.log, since=since)}"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _live(self) -> int:
        """Run the program once, until it dies or is to stop; return its exit code."""
        async with self._process() as process, in_background(self._announce(process)):
            await first_of(process.wait(), self._stopping.wait())
            if process.returncode is None:
                await stop(process, self.program, hurry=self._hurry)
            return await process.wait()

    @contextlib.asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        process = await start(self.program)
        self._guard.watch(process, self.program)
        self.pid = process.pid
        self._changed()
        try:
            yield process
        finally:
            kill_group(process.pid)  # what a killed service has left behind would otherwise live on
            self._guard.forget(process)

    async def _announce(self, process: Process) -> None:
        if self.ready.is_set():
            return
        # One that dies or hangs before it is ready is noticed elsewhere: by its exit, or by whoever waits for it.
        with contextlib.suppress(CannotStart):
            await until_ready(process, self.program)
            self.ready.set()

    def _give_up_if_hopeless(self, deaths: int, code: int, since: int) -> None:
        if is_hopeless(deaths=deaths, was_ready=self.ready.is_set()):
            raise CannotStart(
                f"{self.program.name} {how_it_ended(code)}, {deaths} times before it was ready. "
                f"{last_words(self.program.log, since=since)}"
            )
