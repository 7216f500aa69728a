"""`tidewheel dev`: what it starts stays up, is told apart, and is gone afterwards.

But for the last test, the services are stand-ins that only answer `/readyz`; servers and supervisor are real.
"""

import asyncio
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.standin import NAMES
from tests.support import wait_until

from tidewheel_cli.dev.address import Stack, read_stack
from tidewheel_cli.embedded.ports import free_ports

pytestmark = pytest.mark.usefixtures("server_binaries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standin:
    process: Process
    state_dir: Path

    @property
    def stack(self) -> Stack:
        found = read_stack(self.state_dir)
        assert found is not None
        return found

    async def reports(self, words: str) -> str:
        """Wait for a line on stderr that contains the words."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            async for line in self.process.stderr:
                if words in line.decode():
                    return line.decode()
        raise AssertionError(f"it never said {words!r}")

    async def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """Send a signal, wait for the end, and return what was written to stderr since."""
        self.process.send_signal(number)
        _, errors = await asyncio.wait_for(self.process.communicate(), 30)
        return errors.decode()


async def _spawn(
    state_dir: Path, *, port: int = 0, behaviour: str = "", environment: Mapping[str, str] | None = None
) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).parents[1] / "standin.py"), "stack", str(state_dir), str(port), behaviour),
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
    )


@asynccontextmanager
async def standin_stack(
    state_dir: Path, *, behaviour: str = "", environment: Mapping[str, str] | None = None
) -> AsyncIterator[Standin]:
    process = await _spawn(state_dir, behaviour=behaviour, environment=environment)
    try:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C stops it."), 60)
        yield Standin(process=process, state_dir=state_dir)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _refusal(state_dir: Path, *, port: int = 0, behaviour: str = "") -> tuple[int | None, str]:
    process = await _spawn(state_dir, port=port, behaviour=behaviour)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, errors.decode()


def _belonging_to(state_dir: Path) -> set[int]:
    """The processes that name the state directory in their command line or environment, or work in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            inside = (process / "cwd").readlink().is_relative_to(state_dir)
        except OSError:
            continue  # it has ended
        if inside or os.fsencode(state_dir) in words:
            found.add(int(process.name))
    return found


async def test_a_second_start_finds_the_secrets_of_the_first_and_everything_is_gone_in_between(tmp_path: Path) -> None:
    async with standin_stack(tmp_path) as first:
        before = first.stack
        assert set(before.services) == {*NAMES, "postgres", "valkey"}
        assert before.pid == first.process.pid
        await first.stop()
        assert first.process.returncode == 0
    assert not _belonging_to(tmp_path)
    assert read_stack(tmp_path) is None
    async with standin_stack(tmp_path) as second:
        assert second.stack.api_key == before.api_key
        assert (tmp_path / "logs" / "gateway.log.1").exists()
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o600}
        assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_services_stop_in_order_before_the_servers(tmp_path: Path, number: signal.Signals) -> None:
    async with standin_stack(tmp_path) as running:
        await running.stop(number)
        assert running.process.returncode == 0
    assert (tmp_path / "stopped").read_text().split() == list(NAMES)
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()


@pytest.mark.parametrize("name", ["gateway", "executor", "valkey", "postgres"])
async def test_what_dies_is_started_again_and_one_line_says_so(tmp_path: Path, name: str) -> None:
    async with standin_stack(tmp_path) as running:
        killed = running.stack.services[name]
        os.kill(killed, signal.SIGKILL)
        line = await running.reports(f"{name} was killed by SIGKILL; it starts again in 0.2 s.")
        assert str(tmp_path / "logs" / f"{name}.log") in line
        await wait_until(lambda: running.stack.services[name] != killed)
        await running.stop()
        assert running.process.returncode == 0
    assert not _belonging_to(tmp_path), "a killed executor's children are gone too"


async def test_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    async with standin_stack(tmp_path) as running:
        assert len(_belonging_to(tmp_path)) > len(running.stack.services)
        running.process.kill()
        await running.process.wait()
        await wait_until(lambda: not _belonging_to(tmp_path), what="the end of services, their children and servers")


async def test_named_servers_and_keys_win_over_our_own(tmp_path: Path, database_url: str, redis_url: str) -> None:
    given = {
        "TIDEWHEEL_DATABASE_URL": database_url,
        "TIDEWHEEL_REDIS_URL": redis_url,
        "TIDEWHEEL_BOOTSTRAP_API_KEY": "tw_given",
    }
    async with standin_stack(tmp_path, environment=given) as running:
        stack = running.stack
    assert (stack.database_url, stack.redis_url, stack.api_key) == tuple(given.values())
    assert set(stack.services) == set(NAMES)
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["keys"]


async def test_a_second_signal_kills_what_does_not_stop(tmp_path: Path) -> None:
    async with standin_stack(tmp_path, behaviour="gateway-stubborn") as running:
        running.process.send_signal(signal.SIGINT)
        await running.reports("Stopping.")
        await running.stop()
        assert running.process.returncode == 0
    assert not _belonging_to(tmp_path)


async def test_a_signal_during_the_start_stops_it(tmp_path: Path) -> None:
    process = await _spawn(tmp_path, behaviour="gateway-broken")
    assert process.stderr is not None
    await asyncio.wait_for(process.stderr.readuntil(b"gateway ended"), 60)
    process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, output) == (0, b"")
    assert not _belonging_to(tmp_path)


async def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with server:
        code, errors = await _refusal(tmp_path, port=port)
    assert code == 2
    assert errors == f"Port {port} on 127.0.0.1 is taken: stop what listens there, or choose another --port.\n"


async def test_a_held_state_directory_is_one_sentence(tmp_path: Path) -> None:
    async with standin_stack(tmp_path):
        code, errors = await _refusal(tmp_path)
    assert code == 2
    assert errors == f"Another stack is running on {tmp_path}: stop it, or give this one its own --state-dir.\n"


async def test_a_service_that_never_gets_ready_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    code, errors = await _refusal(tmp_path, behaviour="reaper-broken")
    assert code == 2
    assert "reaper ended with exit code 1, 5 times before it was ready." in errors
    assert errors.count("reaper has no luck") == 5, "each death with its own last words only"
    assert not _belonging_to(tmp_path)


async def test_a_killed_tidewheel_leaves_no_process(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_cli", "dev", "--state-dir", str(tmp_path), "--port", "0"),
        stdout=PIPE,
        env={"TIDEWHEEL_TEST": str(tmp_path)},  # every process of the stack inherits it, and so is found
    )
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C stops it."), 90)
    stack = read_stack(tmp_path)
    assert stack is not None
    assert set(stack.services.values()) <= _belonging_to(tmp_path)
    process.kill()
    await process.communicate()
    await wait_until(lambda: not _belonging_to(tmp_path), what="the end of everything, a pool of workers included")
