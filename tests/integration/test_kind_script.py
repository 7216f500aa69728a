"""`script.run` with real programs."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.execution import World, opened_world
from tests.kinds import give

from tidewheel_executor.kinds import script
from tidewheel_executor.kinds.sandbox import PATH
from tidewheel_executor.kinds.settings import KindSettings

KIND = script.run
"""A shared task: importing it makes every app serve it."""


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        give(world, script_sandbox="off")
        yield world


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def is_running(pid: int) -> bool:
    """Tell whether a process lives; one that has ended and not been waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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
        "import os, sys; print(sorted(os.environ), os.getcwd() == os.environ['HOME'], os.getpgid(0) == os.getpid(), "
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
    killed = world.queue("script.run", {"argv": python("import os; os.kill(os.getpid(), 9)")})
    missing = world.queue("script.run", {"argv": ["no-such-program"]})

    world.run(fails, fits, killed, missing)

    assert world.row(fails)["state"] == "waiting"
    assert "ended with the exit code 3. broken" in world.error(fails)
    assert world.row(fits)["state"] == "complete"
    assert "was killed by signal 9" in world.error(killed)
    assert "no-such-program cannot be run: No such file or directory" in world.error(missing)


def test_a_timeout_kills_the_whole_group(world: World, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = (
        "import os, sys, time\n"
        "child = os.fork()\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(600)"
    )
    task = world.queue("script.run", {"argv": python(code), "timeout": 1.5})

    world.run(task)

    assert "was killed after its timeout of 1.5 s" in world.error(task)
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    assert [pid for pid in pids if is_running(pid)] == []


def test_what_a_program_left_behind_is_killed(world: World, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(0); os.close(1); os.close(2)\n"
        "    time.sleep(600)\n"
        f"open({str(note)!r}, 'w').write(str(child))"
    )
    task = world.queue("script.run", {"argv": python(code)})

    world.run(task)

    assert world.row(task)["state"] == "complete"
    assert not is_running(int(note.read_text()))


def test_output_is_bounded_and_the_rest_is_read(world: World) -> None:
    give(world, script_sandbox="off", script_output_bytes=1000)
    task = world.queue("script.run", {"argv": python("print('x' * 5_000_000)")})

    world.run(task)

    result = world.result(task)
    assert (len(result["stdout"]), result["truncated"], result["exit_code"]) == (1000, True, 0)


def test_a_program_is_limited(world: World) -> None:
    give(world, script_sandbox="off", script_cpu_seconds=1)
    signs = {
        "x = bytearray(2_000_000_000)": "MemoryError",
        "open('big', 'wb').write(b'x' * 80_000_000)": "File too large",
        "while True: pass": "signal 9",
        "f = [open('/dev/null') for _ in range(400)]": "Too many open files",
    }
    tasks = {code: world.queue("script.run", {"argv": python(code)}) for code in signs}

    world.run(*tasks.values())

    assert {code: sign for code, sign in signs.items() if sign not in world.error(tasks[code])} == {}


def test_where_bubblewrap_is_required_and_missing_nothing_runs(world: World, tmp_path: Path) -> None:
    if shutil.which("bwrap", path=PATH) is not None:
        pytest.skip("bubblewrap is here")
    give(world, script_sandbox="required")
    task = world.queue("script.run", {"argv": ["touch", str(tmp_path / "ran")]})

    world.run(task)

    assert "must run under bubblewrap" in world.error(task)
    assert list(tmp_path.iterdir()) == []


def test_bubblewrap_hides_the_executor(world: World, tmp_path: Path) -> None:
    give(world, script_sandbox="required", script_memory_mib=4096)
    code = f"import os; print(os.getpid() < 10, os.path.exists({str(tmp_path)!r}), os.access('/etc/hosts', os.W_OK))"
    task = world.queue("script.run", {"argv": python(code)})

    world.run(task)

    if world.row(task)["state"] == "waiting" and "must run under bubblewrap" in world.error(task):
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    assert world.result(task)["stdout"] == "True False False\n"
