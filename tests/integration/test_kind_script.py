"""`script.run` with real programs."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.execution import World, opened_world
from tests.kinds import give, web_server

from tidewheel_executor.kinds import sandbox as sandbox_module
from tidewheel_executor.kinds import script
from tidewheel_executor.kinds.sandbox import PATH
from tidewheel_executor.kinds.settings import KindSettings

KIND = script.run
"""A shared task: importing it makes every app serve it."""


BUBBLEWRAP = shutil.which("bwrap", path=PATH)


def may_make_namespaces() -> bool:
    words = ("--unshare-all", "--ro-bind", "/", "/", "true")
    return BUBBLEWRAP is not None and subprocess.run((BUBBLEWRAP, *words), check=False).returncode == 0


@pytest.fixture(params=["off", "required"])
def sandbox(request: pytest.FixtureRequest) -> str:
    """Run a test without bubblewrap, and within it where it works."""
    if request.param == "required" and not may_make_namespaces():
        pytest.skip("bubblewrap is not here" if BUBBLEWRAP is None else "bubblewrap may not make namespaces here")
    return str(request.param)


@pytest.fixture
def world(database_url: str, redis_url: str, sandbox: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        give(world, script_sandbox=sandbox)
        yield world


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def running(mark: str) -> list[str]:
    """Return the processes with this argument, whatever number they have within their walls."""
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _words(path)]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").split("\0")
    except OSError:  # it has just ended
        return []


def test_scripts_are_not_served_unless_they_are_asked_for() -> None:
    assert "tidewheel_executor.kinds.script" not in KindSettings().kind_modules
    assert "tidewheel_executor.kinds.script" in KindSettings(kinds="script.run").kind_modules


def test_a_program_runs_without_a_shell_and_its_output_is_kept(world: World) -> None:
    code = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.stderr.write('aside')"
    task = world.queue("script.run", {"argv": python(code, "$HOME", "; rm -rf /"), "stdin": "given"})

    world.run(task)

    assert world.result(task) == {
        "exit_code": 0,
        "stdout": "['$HOME', '; rm -rf /'] given\n",
        "stderr": "aside",
        "truncated": False,
    }


def test_a_program_finds_nothing_of_the_executor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_KEYS", "k1:secret")
    code = (
        "import os, sys; os.environ.pop('PWD', None)\n"  # bubblewrap adds it
        "print(sorted(os.environ), os.getcwd() == os.environ['HOME'], os.getpgid(0) in (1, os.getpid()), "
        "os.environ['TIDEWHEEL_ATTEMPT'], os.environ['MINE'], sorted(os.listdir('/proc/self/fd'))[:-1])"
    )
    task = world.queue("script.run", {"argv": python(code), "env": {"MINE": "1"}})

    world.run(task)

    names = ["HOME", "LANG", "MINE", "PATH", "TIDEWHEEL_ATTEMPT", "TIDEWHEEL_TASK_ID", "TMPDIR"]
    assert world.result(task)["stdout"] == f"{names} True True 1 1 ['0', '1', '2']\n"


def test_the_exit_code_decides(world: World) -> None:
    code = "import sys; sys.stderr.write('broken'); sys.exit(3)"
    fails = world.queue("script.run", {"argv": python(code)})
    fits = world.queue("script.run", {"argv": python(code), "expected_exit": [0, 3]})
    world.run(fails, fits)

    assert world.row(fails)["state"] == "waiting"
    assert "ended with the exit code 3. broken" in world.error(fails)
    assert world.row(fits)["state"] == "complete"


def test_a_signal_counts_as_a_shell_counts_it(world: World) -> None:
    argv = python("import os; os.kill(os.getpid(), 9)")
    killed = world.queue("script.run", {"argv": argv})
    fits = world.queue("script.run", {"argv": argv, "expected_exit": [137]})

    world.run(killed, fits)

    assert "was killed by SIGKILL" in world.error(killed)
    assert world.result(fits)["exit_code"] == 137


def test_a_program_that_is_not_there_is_told_from_one_that_fails(world: World) -> None:
    task = world.queue("script.run", {"argv": ["no-such-program"], "expected_exit": [0, 1]})

    world.run(task)

    assert "ended with the exit code 127. no-such-program cannot be run: No such file" in world.error(task)


def test_a_timeout_kills_the_whole_group(world: World) -> None:
    mark = str(uuid4())
    code = "import os, time; os.fork(); print('runs', flush=True); time.sleep(600)"
    task = world.queue("script.run", {"argv": python(code, mark), "timeout": 1.5})

    world.run(task)

    assert "was killed after its timeout of 1.5 s" in world.error(task)
    assert running(mark) == []


def test_what_a_program_left_behind_is_killed(world: World) -> None:
    mark = str(uuid4())
    code = "import os, time\nif os.fork() == 0:\n    os.close(0); os.close(1); os.close(2)\n    time.sleep(600)\n"
    task = world.queue("script.run", {"argv": python(code, mark)})

    world.run(task)

    assert world.row(task)["state"] == "complete"
    assert running(mark) == []


def test_output_is_bounded_and_the_rest_is_read(world: World, sandbox: str) -> None:
    give(world, script_sandbox=sandbox, script_output_bytes=1000)
    task = world.queue("script.run", {"argv": python("print('x' * 5_000_000)")})

    world.run(task)

    result = world.result(task)
    assert (len(result["stdout"]), result["truncated"], result["exit_code"]) == (1000, True, 0)


def test_a_program_is_limited(world: World, sandbox: str) -> None:
    give(world, script_sandbox=sandbox, script_cpu_seconds=1)
    signs = {
        "x = bytearray(2_000_000_000)": "MemoryError",
        "open('big', 'wb').write(b'x' * 80_000_000)": "File too large",
        "while True: pass": "SIGKILL",
        "f = [open('/dev/null') for _ in range(400)]": "Too many open files",
    }
    tasks = {code: world.queue("script.run", {"argv": python(code)}) for code in signs}

    world.run(*tasks.values())

    assert {code: sign for code, sign in signs.items() if sign not in world.error(tasks[code])} == {}


@pytest.mark.parametrize("sandbox", ["required"], indirect=True)
class TestBehindTheWall:
    """What only bubblewrap keeps a program from."""

    def test_no_file_of_the_machine_can_be_written(self, world: World, tmp_path: Path) -> None:
        code = (
            "import os, sys; open('mine', 'w').write('x'); "
            "print(os.path.exists(sys.argv[1]), os.access('/etc/hosts', os.W_OK), os.listdir())"
        )
        assert self.said(world, python(code, str(tmp_path))) == "False False ['mine']"

    def test_no_other_process_is_seen(self, world: World) -> None:
        code = "import os; print(all(int(name) < 10 for name in os.listdir('/proc') if name.isdigit()))"
        assert self.said(world, python(code)) == "True"

    def test_no_capability_is_left(self, world: World) -> None:
        code = "print([line.split()[1] for line in open('/proc/self/status') if line[:6] in ('CapEff', 'CapBnd')])"
        assert self.said(world, python(code)) == str(["0" * 16] * 2)

    @pytest.mark.parametrize("network", [False, True])
    def test_a_network_is_there_only_if_the_settings_give_it(self, world: World, network: bool) -> None:
        give(world, script_sandbox="required", script_network=network)
        code = "import socket, sys; print(socket.socket().connect_ex(('127.0.0.1', int(sys.argv[1]))) == 0)"
        with web_server() as web:
            assert self.said(world, python(code, str(web.port))) == str(network)

    def said(self, world: World, argv: list[str]) -> str:
        task = world.queue("script.run", {"argv": argv})
        world.run(task)
        assert world.row(task)["state"] == "complete", world.error(task)
        return str(world.result(task)["stdout"]).strip()


@pytest.mark.parametrize("sandbox", ["off"], indirect=True)
def test_where_bubblewrap_is_required_and_does_not_work_nothing_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho bwrap: setting up uid map: Permission denied >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sandbox_module, "PATH", str(tmp_path))
    give(world, script_sandbox="required")
    task = world.queue("script.run", {"argv": ["/usr/bin/touch", str(tmp_path / "ran")]})

    world.run(task)

    assert "must run under bubblewrap" in world.error(task)
    assert not (tmp_path / "ran").exists()
