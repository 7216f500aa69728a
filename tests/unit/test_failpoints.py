"""Failpoints: nothing in production, once when armed, and each exactly where the table says."""

import ast
import os
import re
import timeit
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.architecture.sources import modules, relative

from tidewheel_common.process.failpoints import EXIT_CRASHED, FAILPOINTS, Stumbled, arm, fired, fp


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm(None)


def test_each_declared_failpoint_stands_once_in_its_services_source() -> None:
    found = sorted(call for path in modules() for call in _calls(path))
    declared = sorted((point.service, point.name) for point in FAILPOINTS)
    assert found == declared


def test_each_failpoint_says_what_is_done_and_what_is_not() -> None:
    names = [point.name for point in FAILPOINTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in names)
    assert all(point.meaning for point in FAILPOINTS)


def _calls(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the service of each call in a file, and the failpoint that it names."""
    service = relative(path).split("/")[1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fp":
            (name,) = node.args
            assert isinstance(name, ast.Constant), f"{relative(path)}: a failpoint's name is written out"
            yield service, str(name.value)


def test_every_composition_root_arms() -> None:
    # The executor's children are forked before its companion opens the process, so it arms on its own.
    roots = {relative(path) for path in modules() if "arm(settings.failpoints)" in path.read_text(encoding="utf-8")}
    assert roots == {
        "libs/common/src/tidewheel_common/process/service.py",
        "services/executor/src/tidewheel_executor/app.py",
        "services/gateway/src/tidewheel_gateway/__main__.py",
    }


def test_an_unarmed_failpoint_does_nothing_and_costs_next_to_nothing(tmp_path: Path) -> None:
    fp("gateway.before_insert")
    arm(tmp_path)
    fp("gateway.before_insert")
    arm(None)
    assert min(timeit.repeat(lambda: fp("gateway.before_insert"), number=1000, repeat=5)) < 0.002


def test_an_armed_failpoint_acts_once(tmp_path: Path) -> None:
    arm(tmp_path)
    (tmp_path / "reaper.removed").write_text("raise")

    with pytest.raises(Stumbled, match=r"reaper\.removed"):
        fp("reaper.removed")

    fp("reaper.removed")
    assert fired(tmp_path, "reaper.removed").exists()


def test_a_failpoint_acts_at_the_passing_that_it_was_armed_for(tmp_path: Path) -> None:
    arm(tmp_path)
    (tmp_path / "reaper.removed").write_text("raise 3\n")

    fp("reaper.removed")
    fp("reaper.choosing")
    fp("reaper.removed")
    with pytest.raises(Stumbled):
        fp("reaper.removed")


def test_a_failpoint_may_be_armed_again(tmp_path: Path) -> None:
    arm(tmp_path)
    for _ in range(2):
        (tmp_path / "reaper.removed").write_text("raise")
        with pytest.raises(Stumbled):
            fp("reaper.removed")


def test_what_a_failpoint_does_not_know_is_an_error(tmp_path: Path) -> None:
    arm(tmp_path)
    (tmp_path / "reaper.removed").write_text("explode")
    with pytest.raises(ValueError, match="crash, raise and hang"):
        fp("reaper.removed")


def test_a_forked_child_crashes_where_its_parent_was_armed_and_only_one_does(tmp_path: Path) -> None:
    arm(tmp_path)
    (tmp_path / "executor.claimed").write_text("crash")
    codes = [_in_a_child("executor.claimed") for _ in range(2)]
    assert codes == [EXIT_CRASHED, 0]


def _in_a_child(name: str) -> int:
    pid = os.fork()
    if pid == 0:
        fp(name)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
