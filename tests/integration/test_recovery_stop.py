"""A service that is asked to stop, under load: no task runs twice, and none waits for a rescue."""

import signal
import time
from collections import Counter
from pathlib import Path

from tests.integration.recovery_rig import Cluster, cluster
from tests.support import wait_until

HANDLERS = "tests.integration.recovery_handlers,tidewheel_executor.demo"


def runs(ledger: Path) -> Counter[str]:
    """Return how often each task ran, by what its handler wrote down itself."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter(line.split()[0] for line in lines)


async def _flood(made: Cluster, ledger: Path, *, batches: int) -> list[str]:
    ids: list[str] = []
    for number in range(batches):
        handler, seconds = ("r.mark", 0.0) if number % 2 else ("r.amark", 0.05)
        ids += await made.submit(handler, 100, payload={"path": str(ledger), "seconds": seconds})
    return ids


async def test_a_service_that_is_stopped_under_load_loses_and_doubles_nothing(
    tmp_path: Path, server_binaries: object
) -> None:
    assert server_binaries
    ledger = tmp_path / "ledger"
    async with cluster(tmp_path, TIDEWHEEL_HANDLERS=HANDLERS) as made:
        ids = await _flood(made, ledger, batches=4)
        await wait_until(lambda: len(runs(ledger)) > 50, timeout=20, what="the load")
        for service in ("executor", "dispatcher", "scheduler", "reaper", "gateway"):
            assert await made.stop(service) == 0
            stopped = time.monotonic()
            if service != "gateway":
                ids += await _flood(made, ledger, batches=2)
            await made.start(service)
            # Whatever waited for a rescue would be back after more than fifteen seconds.
            await made.until_states(complete=len(ids), timeout=14 - (time.monotonic() - stopped))

        assert set(runs(ledger)) == set(ids)
        assert set(runs(ledger).values()) == {1}
        assert made.dead() == []
        assert made.complaints() == []
        assert not [line for line in made.lines() if line["event"] in {"tasks rescued", "hints overdue"}]


async def test_tasks_that_take_longer_than_the_grace_are_given_back_at_once(
    tmp_path: Path, server_binaries: object
) -> None:
    assert server_binaries
    ledger = tmp_path / "ledger"
    payload = {"path": str(ledger), "seconds": 60}
    async with cluster(tmp_path, TIDEWHEEL_HANDLERS=HANDLERS, TIDEWHEEL_STOP_GRACE="1") as made:
        await made.submit("r.mark", payload=payload)
        (once,) = await made.submit("r.amark", payload=payload, delivery="at_most_once")
        await wait_until(lambda: len(runs(ledger)) == 2, timeout=20, what="both to run")
        behind = await made.submit("r.mark", payload={"path": str(ledger)})
        begun = time.monotonic()
        code = await made.stop("executor")
        took = time.monotonic() - begun
        rows = await made.fetch("SELECT state, reason, failures, lost FROM tasks WHERE id <> $1", once)
        (ended,) = await made.fetch("SELECT state, reason FROM tasks WHERE id = $1", once)
        attempts = await made.fetch("SELECT state FROM execution_log ORDER BY state")
        left = await made.fetch("SELECT id FROM executors")
        await made.start("executor")
        await wait_until(lambda: sum(runs(ledger).values()) == 4, timeout=10, what="the second run, and what waited")

        assert code == 0
        assert took < 8
        assert {(row["failures"], row["lost"]) for row in rows} == {(0, 0)}
        assert "running" not in {row["state"] for row in rows}
        assert [row["state"] for row in attempts] == ["interrupted", "lost"]
        assert tuple(ended) == ("dead", "lost")  # it must not run twice
        assert left == []
        assert behind
        assert made.complaints() == []


async def test_a_killed_executor_takes_its_children_along(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    ledger = tmp_path / "ledger"
    async with cluster(tmp_path, TIDEWHEEL_HANDLERS=HANDLERS) as made:
        await made.submit("r.mark", payload={"path": str(ledger), "seconds": 60})
        await wait_until(lambda: len(runs(ledger)) == 1, timeout=20, what="the run")
        child = int(ledger.read_text().split()[2])
        await made.stop("executor", signal.SIGKILL)
        await wait_until(lambda: not Path(f"/proc/{child}/environ").exists() or _ended(child), what="the child's end")


def _ended(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
