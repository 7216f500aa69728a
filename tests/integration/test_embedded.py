"""The embedded servers: private, durable, and never left behind."""

import asyncio
import os
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from tests.support import wait_until

from tidewheel_cli.embedded import embedded_postgres, embedded_valkey, identity
from tidewheel_cli.embedded.binaries import postgres_binary
from tidewheel_cli.embedded.files import held, is_held
from tidewheel_cli.embedded.program import Program, running
from tidewheel_cli.errors import CannotStart

pytestmark = pytest.mark.usefixtures("server_binaries")

_KILLED_PARENT = """
import asyncio, sys
from pathlib import Path
from tidewheel_cli.embedded import embedded_postgres, embedded_valkey

async def main(state):
    async with embedded_postgres(state), embedded_valkey(state):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""

_STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), os.fork(), flush=True)
signal.pause()
"""


async def _fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _working_in(directory: Path) -> list[int]:
    """The processes whose working directory is below a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(directory):
                found.append(int(process.name))
        except OSError:
            continue  # it has ended
    return found


async def test_what_was_committed_survives_a_restart(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path) as url, embedded_valkey(tmp_path) as redis_url:
        await _fetch(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        async with Redis.from_url(redis_url) as redis:
            await redis.set("kept", "42")
    async with embedded_postgres(tmp_path) as url, embedded_valkey(tmp_path) as redis_url:
        assert await _fetch(url, "SELECT answer FROM kept") == 42
        async with Redis.from_url(redis_url) as redis:
            assert await redis.get("kept") == b"42"
            assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"


async def test_durable_settings_are_on_unless_told_otherwise(tmp_path: Path, postgres_url: str) -> None:
    query = "SELECT current_setting('fsync') || current_setting('synchronous_commit')"
    async with embedded_postgres(tmp_path) as url:
        assert await _fetch(url, query) == "onon"
    assert await _fetch(postgres_url, query) == "offoff"


async def test_servers_refuse_a_client_without_the_password(postgres_url: str, valkey_url: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_url, password="wrong")  # noqa: S106 - it is meant to be wrong
    address = urlsplit(valkey_url)
    async with Redis(host=str(address.hostname), port=int(address.port or 0), retry=Retry(NoBackoff(), 0)) as redis:
        with pytest.raises(AuthenticationError):
            await redis.ping()


async def test_only_the_owner_can_read_the_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with embedded_postgres(state, durable=False), embedded_valkey(state, durable=False):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *(state / "secrets").iterdir())}
    assert modes == {"state": 0o700, "postgres": 0o600, "valkey": 0o600}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
async def test_a_killed_parent_leaves_no_server_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED_PARENT, str(tmp_path), stdout=PIPE)
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    assert _working_in(tmp_path)
    parent.kill()
    await parent.communicate()
    async with embedded_postgres(tmp_path) as url, embedded_valkey(tmp_path):
        assert await _fetch(url, "SELECT 1") == 1
    await wait_until(lambda: not _working_in(tmp_path), what="no server left")


async def test_a_program_that_ends_too_early_says_its_last_words(tmp_path: Path) -> None:
    program = Program(
        name="brief",
        command=(sys.executable, "-c", "raise SystemExit('no such thing')"),
        environment={},
        log=tmp_path / "brief.log",
        ready=_never,
    )
    with pytest.raises(CannotStart, match=r"brief ended with exit code 1 before .*\n.*no such thing"):
        async with running(program):
            pass


async def test_a_program_that_does_not_stop_in_its_grace_is_killed_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    program = Program(name="stubborn", command=(sys.executable, "-c", _STUBBORN), environment={}, log=log, grace=0.1)
    async with running(program):
        await wait_until(lambda: log.read_text().count("\n") == 2)
    pids = {int(pid) for pid in log.read_text().split()} - {0}
    assert len(pids) == 2
    await wait_until(lambda: not any(_is_alive(pid) for pid in pids))


async def test_a_held_state_directory_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with held(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(CannotStart, match=f"Another stack is running on {tmp_path}"), held(tmp_path):
            pass
    assert not is_held(tmp_path)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory / "state"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
async def test_root_without_user_namespaces_runs_postgres_as_nobody(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = identity.first_shut((postgres_binary("postgres"),))
    if shut is not None:
        pytest.skip(f"nobody cannot enter {shut}, where the binaries are")
    monkeypatch.setattr(identity, "_is_granted", lambda _: False)
    async with embedded_postgres(open_directory, durable=False) as url:
        assert await _fetch(url, "SELECT 1") == 1
        assert (open_directory / "postgres").stat().st_uid == identity.NOBODY
    monkeypatch.undo()
    async with embedded_postgres(open_directory, durable=False) as url:
        assert await _fetch(url, "SELECT 1") == 1
        assert (open_directory / "postgres").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another identity")
def test_root_without_any_identity_is_told_which_directory_is_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_is_granted", lambda _: False)
    tmp_path.chmod(0o700)
    with pytest.raises(CannotStart, match=r"does not run as root.* other users cannot enter /"):
        identity.choose_identity((tmp_path / "postgres",))


async def _never() -> bool:
    return False


def _is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return sys.platform != "linux"
