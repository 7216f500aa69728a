"""Loops inside a process that Celery owns: in a thread beside it, or in slices between its own turns."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Generic, TypeVar

from tidewheel_common.process.loop import Transient
from tidewheel_common.process.service import Build, Process, new_event_loop, serve
from tidewheel_common.process.settings import Settings

S = TypeVar("S", bound=Settings)


class BackgroundLoops(Generic[S]):
    """Runs a process's loops in a thread with an event loop of its own, beside a synchronous main thread.

    Args:
        process: The process; its `stop` belongs to this thread from now on.
        build: Yields the loops.
        transient: The errors that mean a lost connection.
        on_failure: Called in the thread with the error that ended the loops; it should make the main thread end.
    """

    def __init__(
        self,
        process: Process[S],
        build: Build[S],
        *,
        transient: Transient,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._process = process
        self._build = build
        self._transient = transient
        self._on_failure = on_failure
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"{process.name} loops", daemon=True)

    def start(self) -> None:
        """Start the thread and return at once; the loops report to the process's health."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Let the loops finish their ticks; wait at most `timeout` seconds and tell whether they have ended."""
        self.call_soon(self._process.stop.set)
        if self._thread.ident is None:
            self._loop.close()
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call back in the thread, such as `wake.set`; nothing happens once the loops have ended."""
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(serve(self._process, self._build, transient=self._transient))
        except BaseException as error:  # noqa: BLE001 -- nobody else hears of it: this is the end of the thread
            self._on_failure(error)


class SlicedLoops(Generic[S]):
    """Runs a process's loops in slices, in the thread of a host that owns the process's own main loop.

    Args:
        process: The process.
        build: Yields the loops.
        transient: The errors that mean a lost connection.
    """

    def __init__(self, process: Process[S], build: Build[S], *, transient: Transient) -> None:
        self._process = process
        self._loop = new_event_loop()
        self._serving = self._loop.create_task(serve(process, build, transient=transient))

    def advance(self, seconds: float) -> bool:
        """Let the loops run for so many seconds and tell whether they go on after it.

        A signal ends the slice early; its handler runs after the slice, never in the middle of a tick.

        Raises:
            LoopFailed: A loop has failed.
        """
        if not self._serving.done():
            signalled = self._loop.create_future()
            with deferred_signals(partial(self._loop.call_soon_threadsafe, _settle, signalled)):
                self._loop.run_until_complete(
                    asyncio.wait({self._serving, signalled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                )
        if self._serving.done():
            self._serving.result()
        return not self._serving.done()

    def close(self, timeout: float) -> None:
        """Let the loops finish their ticks, for at most `timeout` seconds, and close what `build` opened."""
        if self._loop.is_closed():
            return
        self._process.stop.set()
        with contextlib.closing(self._loop):
            if not self._serving.done():
                self._loop.run_until_complete(asyncio.wait({self._serving}, timeout=timeout))
            self._serving.cancel()
            self._loop.run_until_complete(asyncio.gather(self._serving, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@contextlib.contextmanager
def deferred_signals(wake: Callable[[], object]) -> Iterator[None]:
    """Hold the handlers of SIGTERM and SIGINT back until the block has ended; `wake` is called when one arrives.

    Celery's handlers raise SystemExit wherever the program happens to be, which may be inside of a transaction.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[signal.Signals] = []

    def note(number: int, _: FrameType | None) -> None:
        arrived.append(signal.Signals(number))
        wake()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    held = {number: handler for number, handler in before.items() if callable(handler)}
    for number in held:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    for number in arrived:
        held[number](number, None)
