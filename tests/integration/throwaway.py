"""A `tidewheel.execute` that keeps to itself: it writes down in Redis what it was given, and claims nothing."""

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from uuid import UUID

from celery import current_app, shared_task
from redis import Redis

from tidewheel_common.process.settings import load_settings
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.bundle import read_bundles
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.settings import ExecutorSettings
from tidewheel_executor.times import Times

RAN = "test:ran"
"""A list: one JSON object for each message that a child has taken up."""

LOST = "test:lost"
"""A list: the ids of the tasks that were reported as lost."""

MARK = "test:go"
"""`t.wait` waits until this key exists."""

BREAK = "test:break"
"""`t.fragile` breaks once this key exists."""

_CLIENT: dict[int, Redis] = {}


@shared_task(name="t.short")
def short() -> None:
    """Do nothing."""


@shared_task(name="t.wait")
def wait() -> None:
    """Wait for the mark."""
    while not _redis().exists(MARK):
        threading.Event().wait(0.02)


@shared_task(name="t.crash")
def crash() -> None:
    """Take the child with it."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="t.fragile")
def fragile() -> None:
    """Take the child with it when it is told so."""
    if _redis().exists(BREAK):
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="t.hang")
def hang() -> None:
    """Listen to nobody."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    threading.Event().wait(60)


@shared_task(name="tidewheel.execute")
def execute(bundles: list[str]) -> Times:
    """Write down the message, run its handlers and say how long they took."""
    hints = read_bundles(bundles)
    _redis().rpush(RAN, json.dumps({"pid": os.getpid(), "hints": [hint.task_id.hex for hint in hints]}))
    times: dict[str, tuple[int, float, float]] = {}
    for _, _, handler, *_ in hints:
        started = time.monotonic()
        current_app.tasks[handler]()
        lasted = time.monotonic() - started
        runs, worked, _ = times.get(handler, (0, 0.0, 0.0))
        times[handler] = (runs + 1, worked + lasted, worked + lasted)
    return Times(times)


async def report_lost(_: Engine, __: UUID, hints: Sequence[Hint], ago: float | None) -> None:
    """Write down what was lost, the first time that it is said."""
    if ago is None:
        _redis().rpush(LOST, *(hint.task_id.hex for hint in hints))


def _redis() -> Redis:
    if os.getpid() not in _CLIENT:
        _CLIENT[os.getpid()] = Redis.from_url(load_settings(ExecutorSettings).redis_url.get_secret_value())
    return _CLIENT[os.getpid()]
