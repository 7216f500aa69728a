"""The process skeleton: signals, exit codes, and loops in processes that Celery owns."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.client import HTTPConnection
from typing import IO

import pytest
from pydantic import SecretStr

from tidewheel_common.process.health import Health
from tidewheel_common.process.hosted import BackgroundLoops, SlicedLoops
from tidewheel_common.process.loop import Loop, LoopFailed
from tidewheel_common.process.metrics import Metrics
from tidewheel_common.process.service import Process
from tidewheel_common.process.settings import Settings

DEADLINE = 20.0

HEAD = """
import asyncio, sys
from contextlib import asynccontextmanager
from tidewheel_common.process.hosted import SlicedLoops
from tidewheel_common.process.loop import Loop
from tidewheel_common.process.service import open_process, run_service
from tidewheel_common.process.settings import Settings, load_settings
"""

SERVICE = (
    HEAD
    + """
@asynccontextmanager
async def build(process):
    async def tick():
        {tick}
    yield [Loop(name="promote", tick=tick, every=60.0)]
    print("closed")

sys.exit(run_service("demo", load_settings(Settings), build))
"""
)

SLICED = (
    HEAD
    + """
import signal
from contextlib import closing

def leave(*_):
    raise SystemExit(7)

signal.signal(signal.SIGTERM, leave)

@asynccontextmanager
async def build(process):
    async def tick():
        print('{"event": "ticking"}')
    yield [Loop(name="promote", tick=tick, every=60.0)]
    print("closed")

with open_process("demo", load_settings(Settings)) as process:
    loops = SlicedLoops(process, build, transient=(OSError,))
    try:
        while True:
            loops.advance(600)
    finally:
        loops.close(5)
"""
)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a Python program as a process of its own; it ends with the test at the latest."""
    running: list[subprocess.Popen[str]] = []

    def run(code: str, **variables: str) -> subprocess.Popen[str]:
        defaults = {"TIDEWHEEL_DATABASE_URL": "postgresql://u:pw@h/d", "TIDEWHEEL_REDIS_URL": "redis://h"}
        for name, value in (defaults | variables).items():
            monkeypatch.setenv(name, value)
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate(timeout=DEADLINE)


def read_until(lines: IO[str] | None, event: str) -> dict[str, object]:
    assert lines is not None
    for line in lines:
        if line.startswith("{") and (record := json.loads(line))["event"] == event:
            return dict(record)
    raise AssertionError(f"The process ended without the event {event!r}.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_service_in_order(start: Callable[..., subprocess.Popen[str]], number: signal.Signals) -> None:
    service = start(SERVICE.format(tick="pass"))
    probes = str(read_until(service.stdout, "process started")["probes"])
    connection = HTTPConnection(probes, timeout=DEADLINE)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"ok": true, "reasons": []}'
    connection.close()
    service.send_signal(number)
    out, err = service.communicate(timeout=DEADLINE)
    assert service.returncode == 0
    assert err == ""
    assert "closed\n" in out
    events = [json.loads(line)["event"] for line in out.splitlines() if line.startswith("{")]
    assert events == ["process stops", "process stopped"]


def test_a_bug_ends_a_service_with_code_1_and_one_traceback(start: Callable[..., subprocess.Popen[str]]) -> None:
    service = start(SERVICE.format(tick="raise KeyError('typo')"))
    out, err = service.communicate(timeout=DEADLINE)
    records = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert service.returncode == 1
    assert err == ""
    assert [record["event"] for record in records] == ["process started", "loop failed", "process failed"]
    assert [("exception" in record) for record in records] == [False, True, False]
    assert records[2]["error"] == "The loop promote failed with KeyError."


def test_an_error_while_opening_ends_a_service_with_code_1(start: Callable[..., subprocess.Popen[str]]) -> None:
    service = start(SERVICE.format(tick="pass").replace("yield [", "raise KeyError('typo')\n    yield ["))
    out, _ = service.communicate(timeout=DEADLINE)
    assert service.returncode == 1
    last = json.loads(out.splitlines()[-1])
    assert last["event"] == "process failed"
    assert "KeyError" in last["exception"]


def test_wrong_settings_end_a_service_with_code_2_and_a_sentence(start: Callable[..., subprocess.Popen[str]]) -> None:
    service = start(SERVICE.format(tick="pass"), TIDEWHEEL_REDIS_URL="")
    out, err = service.communicate(timeout=DEADLINE)
    assert service.returncode == 2
    assert out == ""
    assert err.startswith("TIDEWHEEL_REDIS_URL is not set.")
    assert len(err.splitlines()) == 1


def test_a_wrong_key_or_schema_ends_a_service_with_code_2(start: Callable[..., subprocess.Popen[str]]) -> None:
    code = SERVICE.format(tick="pass").replace("yield [", "raise Misconfigured('Migrate first.')\n    yield [")
    service = start("from tidewheel_common.core.errors import Misconfigured\n" + code)
    _, err = service.communicate(timeout=DEADLINE)
    assert service.returncode == 2
    assert err == "Migrate first.\n"


def test_a_taken_probes_port_ends_a_service_with_code_2(start: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = start(SERVICE.format(tick="pass"), TIDEWHEEL_HEALTH_PORT=str(taken.getsockname()[1]))
        _, err = service.communicate(timeout=DEADLINE)
    assert service.returncode == 2
    assert "Set TIDEWHEEL_HEALTH_PORT to a free port" in err


def test_a_host_that_leaves_by_a_signal_still_closes_its_sliced_loops(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    host = start(SLICED)
    read_until(host.stdout, "ticking")
    host.send_signal(signal.SIGTERM)
    out, err = host.communicate(timeout=DEADLINE)
    assert host.returncode == 7
    assert "closed\n" in out
    assert err == ""


Build = Callable[[Process[Settings]], AbstractAsyncContextManager[Sequence[Loop]]]


def make_process() -> Process[Settings]:
    settings = Settings(database_url=SecretStr("postgresql://u@h/d"), redis_url=SecretStr("redis://h"))
    return Process(
        name="test",
        settings=settings,
        health=Health(),
        metrics=Metrics("test"),
        probes_port=0,
        jitter=lambda: 0.0,
    )


def building(*loops: Loop, closed: list[str]) -> Build:
    @asynccontextmanager
    async def build(_: Process[Settings]) -> AsyncIterator[Sequence[Loop]]:
        try:
            yield loops
        finally:
            closed.append("closed")

    return build


async def fail() -> None:
    raise KeyError("typo")


def test_background_loops_run_beside_the_main_thread_and_stop() -> None:
    ticked, closed = threading.Event(), list[str]()
    threads: list[str] = []

    async def tick() -> None:
        threads.append(threading.current_thread().name)
        ticked.set()

    loops = BackgroundLoops(
        make_process(),
        building(Loop(name="beat", tick=tick, every=60), closed=closed),
        transient=(OSError,),
        on_failure=lambda error: closed.append(repr(error)),
    )
    loops.start()
    assert ticked.wait(DEADLINE)
    assert loops.stop(DEADLINE)
    assert threads == ["test loops"]
    assert closed == ["closed"]
    loops.call_soon(ticked.clear)  # too late, and harmless


def test_background_loops_report_their_failure() -> None:
    failures: list[BaseException] = []
    failed = threading.Event()

    def on_failure(error: BaseException) -> None:
        failures.append(error)
        failed.set()

    loops = BackgroundLoops(
        make_process(),
        building(Loop(name="beat", tick=fail, every=60), closed=[]),
        transient=(OSError,),
        on_failure=on_failure,
    )
    loops.start()
    assert failed.wait(DEADLINE)
    assert isinstance(failures[0], LoopFailed)
    assert loops.stop(DEADLINE)


def test_background_loops_that_never_started_stop_at_once() -> None:
    loops = BackgroundLoops(make_process(), building(closed=[]), transient=(), on_failure=lambda _: None)
    assert loops.stop(DEADLINE)


def test_sliced_loops_move_only_inside_a_slice_and_close_in_order() -> None:
    ticks, closed = list[int](), list[str]()

    async def tick() -> float:
        ticks.append(os.getpid())
        return 0.001

    process = make_process()
    loops = SlicedLoops(process, building(Loop(name="beat", tick=tick, every=60), closed=closed), transient=(OSError,))
    assert not ticks
    assert loops.advance(0.05)
    after_one = len(ticks)
    assert after_one > 0
    assert loops.advance(0.05)
    assert len(ticks) > after_one
    assert process.health.ready()
    loops.close(DEADLINE)
    loops.close(DEADLINE)
    assert closed == ["closed"]


def test_sliced_loops_raise_what_ended_them() -> None:
    closed: list[str] = []
    loops = SlicedLoops(
        make_process(), building(Loop(name="beat", tick=fail, every=60), closed=closed), transient=(OSError,)
    )
    with pytest.raises(LoopFailed, match="KeyError"):
        loops.advance(DEADLINE)
    loops.close(DEADLINE)
    assert closed == ["closed"]
