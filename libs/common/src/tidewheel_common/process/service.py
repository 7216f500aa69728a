"""The process skeleton: opens what every process has, runs its loops, closes everything and answers with an exit code.

A service's `__main__.py` is its composition root:

    @asynccontextmanager
    async def build(process: Process[ReaperSettings]) -> AsyncIterator[list[Loop]]:
        async with opened_engine(process.settings) as engine:
            yield [Loop(name="remove", tick=partial(remove_due, engine), every=1.0)]

    if __name__ == "__main__":
        sys.exit(run_service("reaper", load_settings(ReaperSettings), build, transient=TRANSIENT))

A process that belongs to Celery uses the pieces instead: `open_process` with `BackgroundLoops` or `SlicedLoops`.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.process.failpoints import arm
from tidewheel_common.process.health import Health
from tidewheel_common.process.logs import configure_logs
from tidewheel_common.process.loop import Loop, LoopFailed, Transient, run_loops
from tidewheel_common.process.memory import settle_memory
from tidewheel_common.process.metrics import Metrics
from tidewheel_common.process.probes import serve_probes
from tidewheel_common.process.settings import EXIT_SETTINGS, Settings
from tidewheel_common.process.tracing import start_tracing

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # uvloop does not exist on Windows
    new_event_loop = asyncio.new_event_loop

EXIT_FAILED = 1
"""The exit code of a process that an error has ended: start it again."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

S = TypeVar("S", bound=Settings)
S_co = TypeVar("S_co", bound=Settings, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Generic[S_co]):
    """What a running process has.

    Attributes:
        name: The service.
        settings: Its settings.
        health: What its probes answer.
        metrics: What it counts.
        probes_port: Where its probes are answered.
        stop: Set when the process is asked to stop.
        jitter: Draws from [0, 1).
    """

    name: str
    settings: S_co
    health: Health
    metrics: Metrics
    probes_port: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    jitter: Callable[[], float] = field(default_factory=lambda: random.SystemRandom().random)


Build = Callable[[Process[S]], AbstractAsyncContextManager[Sequence[Loop]]]
"""Opens what the loops need, yields the loops, and closes it again."""


@contextmanager
def open_process(name: str, settings: S, *, shared_metrics: Path | None = None) -> Iterator[Process[S]]:
    """Configure logs and spans, and answer probes, while the block runs.

    Args:
        name: The service.
        settings: Its settings.
        shared_metrics: The directory from `share_with_children`, in a process with forked children.

    Raises:
        Misconfigured: The probes' address is taken.
    """
    configure_logs(name, settings.log_level)
    arm(settings.failpoints)
    tracing = start_tracing(f"tidewheel-{name}", endpoint=settings.otlp_endpoint)
    health = Health()
    metrics = Metrics(name, shared=shared_metrics)
    try:
        with serve_probes(settings.health_host, settings.health_port, health=health, metrics=metrics) as port:
            log.info("process started", probes=f"{settings.health_host}:{port}")
            yield Process(name=name, settings=settings, health=health, metrics=metrics, probes_port=port)
            log.info("process stopped")
    finally:
        tracing.close()


async def serve(process: Process[S], build: Build[S], *, transient: Transient) -> None:
    """Run the loops that `build` yields until `process.stop` is set.

    Raises:
        LoopFailed: One of them failed with something that is not transient.
    """
    process.health.hold("start", "The process is starting.")
    async with build(process) as loops:
        process.health.release("start")
        settle_memory()
        await run_loops(
            loops,
            stop=process.stop,
            transient=transient,
            health=process.health,
            jitter=process.jitter,
            metrics=process.metrics,
            grace=process.settings.stop_grace,
        )


def run_service(name: str, settings: S, build: Build[S], *, transient: Transient = (OSError,)) -> int:
    """Be a process until SIGTERM or SIGINT, and return its exit code.

    A second signal ends it at once.

    Args:
        name: The service.
        settings: Its settings.
        build: Yields its loops.
        transient: The errors that mean a lost connection.

    Returns:
        0 after an orderly stop, 1 after an error, 2 when a setting, a key or the schema is wrong.
    """
    try:
        with open_process(name, settings) as process, asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve_until_signal(process, build, transient))
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_SETTINGS
    except LoopFailed as error:  # logged with its traceback where it happened
        log.critical("process failed", error=str(error))
        return EXIT_FAILED
    except Exception:
        log.critical("process failed", exc_info=True)
        return EXIT_FAILED
    return 0


async def _serve_until_signal(process: Process[S], build: Build[S], transient: Transient) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        log.info("process stops", signal=number.name)
        process.stop.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop, each)
    await serve(process, build, transient=transient)
