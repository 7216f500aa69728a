"""What runs beside Celery in the main process, in a thread with an event loop of its own.

It says that the executor is alive and what its handlers are, reports lost tasks, stops cancelled ones, makes
notifications and answers probes. It shares nothing with Celery's event loop, so a loop that is busy for a moment does
not make the executor look dead; one that hangs shows in /healthz.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial

import structlog
from celery.worker import state

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.hosted import BackgroundLoops
from tidewheel_common.process.loop import Loop
from tidewheel_common.process.metrics import share_with_children
from tidewheel_common.process.service import EXIT_FAILED, Process, open_process
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.store.errors import is_transient
from tidewheel_common.store.ids import uuid7
from tidewheel_common.streams.client import TRANSIENT, open_redis
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import WAKE_EXECUTOR
from tidewheel_common.streams.wake import Listener
from tidewheel_common.weather import store_is_away
from tidewheel_executor.beat import NAME, Beat
from tidewheel_executor.cancels import EVERY as CANCELS_EVERY
from tidewheel_executor.cancels import Cancels
from tidewheel_executor.executor import Executor
from tidewheel_executor.figures import IntakeFigures
from tidewheel_executor.heartbeat_queries import Presence, leave, publish
from tidewheel_executor.lost import report_interrupted
from tidewheel_executor.notices import EVERY as NOTICES_EVERY
from tidewheel_executor.notices import Notices
from tidewheel_executor.reports import LostReports
from tidewheel_executor.settings import ExecutorSettings
from tidewheel_executor.signature import Signature

HUB = "celery"
"""The name of Celery's event loop among the loops that the probes watch."""

PUBLISH_EVERY = 60.0
"""Seconds between two times at which an executor says what its handlers are."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Companion:
    """The thread, and what Celery's side tells it. Call it from the main thread.

    Args:
        executor: The executor.
        signatures: What its handlers say of themselves.
    """

    def __init__(self, executor: Executor, *, signatures: Sequence[Signature]) -> None:
        self._executor = executor
        self._signatures = signatures
        self._presence = Presence(
            id=executor.id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=executor.settings.queues,
            handlers=[signature.name for signature in signatures],
        )
        self._stack = ExitStack()
        self._lost: LostReports | None = None
        share_with_children(executor.metrics_directory)
        self._stack.callback(shutil.rmtree, executor.metrics_directory, ignore_errors=True)

    def start(self) -> None:
        """Start the thread; after the first fork, so that no child inherits it."""
        settings = self._executor.settings
        process = open_process("executor", settings, shared_metrics=self._executor.metrics_directory)
        self._process = self._stack.enter_context(process)
        self.hub_rests()  # until its first connection
        self._listen(self._process)
        self._loops = BackgroundLoops(self._process, self._build, transient=store_is_away, on_failure=_end_worker)
        self._loops.start()

    def stop(self) -> None:
        """Report what is lost, take the executor's row away and end the thread."""
        if not self._loops.stop(self._executor.settings.stop_grace):
            log.warning("companion cut off")
        self._stack.close()

    def interrupted(self, hints: Sequence[Hint]) -> None:
        """Give back tasks whose children were cut off; to be called when those run no more."""

        def hand_over() -> None:
            if self._lost is not None:
                self._lost.interrupt(hints)

        if hints:
            self._loops.call_soon(hand_over)

    def hub_runs(self, *, every: float) -> None:
        """Expect Celery's event loop to move."""
        self._process.health.release(HUB)
        self._process.health.watch(HUB, every=every)

    def hub_moved(self) -> None:
        """Note that it did."""
        self._process.health.succeeded(HUB)
        self._figures.lanes(self._executor.intake.lanes_taken)

    def hub_rests(self) -> None:
        """Expect nothing of Celery's event loop: it reconnects, or stops."""
        self._process.health.forget(HUB)
        self._process.health.hold(HUB, "Celery has no connection to Redis.")

    def _listen(self, process: Process[ExecutorSettings]) -> None:
        self._figures = IntakeFigures(process.metrics.registry)
        self._executor.intake.count = self._figures.count
        self._executor.intake.report_lost = self._report_lost
        self._executor.intake.report_interrupted = self.interrupted

    def _report_lost(self, hints: Sequence[Hint]) -> None:
        def hand_over() -> None:
            if self._lost is not None:
                self._lost.add(hints)

        self._loops.call_soon(hand_over)

    @asynccontextmanager
    async def _build(self, process: Process[ExecutorSettings]) -> AsyncIterator[Sequence[Loop]]:
        url = process.settings.database_url.get_secret_value()
        engine = open_engine(url, application_name=NAME, pool_size=2)
        signs = Beat(url, self._presence)
        lost = self._lost = LostReports(
            lost=partial(self._executor.report_lost, engine, self._executor.id),
            interrupted=partial(report_interrupted, engine, self._executor.id),
        )

        notices = Notices(
            engine=engine,
            sealer=Sealer(Keyring.parse(process.settings.keys.get_secret_value())),
            new_id=uuid7,
        )

        async def show_handlers() -> None:
            async with engine.connect() as connection:
                await publish(connection, self._signatures)

        every = process.settings.executor_heartbeat
        redis = open_redis(process.settings.redis_url.get_secret_value(), client_name=NAME)
        asked = asyncio.Event()
        listener = Listener(redis, {WAKE_EXECUTOR: lambda _: asked.set()})
        try:
            yield [
                Loop(name="heartbeat", tick=signs.tick, every=every),
                Loop(name="publish", tick=show_handlers, every=PUBLISH_EVERY),
                Loop(name="notices", tick=notices.tick, every=NOTICES_EVERY),
                Loop(name="cancels", tick=Cancels(self._executor, engine).tick, every=CANCELS_EVERY, wake=asked),
                Loop(name="listen", tick=partial(listener.listen, process.stop), every=1.0),
                Loop(name="lost", tick=lost.tick, every=every, wake=lost.wake),
            ]
            await self._sign_off(engine, lost)
        finally:
            with suppress(*TRANSIENT):
                await listener.close()
                await redis.aclose()
            await signs.close()
            await engine.dispose()

    async def _sign_off(self, engine: Engine, lost: LostReports) -> None:
        try:
            await lost.finish()
            async with engine.connect() as connection:
                await leave(connection, self._executor.id)
        except Exception as error:
            if not is_transient(error):
                raise
            # The scheduler finds the heartbeat stale soon, and does the rest.
            log.warning("not signed off", error_type=type(error).__name__)


def _end_worker(_: BaseException) -> None:
    """Stop Celery warmly, with an exit code that asks for a restart: the companion has failed, and logged why."""
    state.should_stop = EXIT_FAILED  # type: ignore[assignment]  # the stubs know only its first value
