"""An executor is killed: what it ran, and what it had only read, runs again soon, whoever it was."""

import signal
from pathlib import Path

from tests.integration.dispatcher_rig import ago, opened_rig
from tests.integration.recovery_rig import cluster
from tests.integration.test_recovery_stop import HANDLERS, runs
from tests.support import wait_until

from tidewheel_common.process.loop import LONGEST_BACKOFF
from tidewheel_dispatcher.settings import DispatcherSettings
from tidewheel_executor import beat
from tidewheel_executor.settings import ExecutorSettings
from tidewheel_scheduler import rescue
from tidewheel_scheduler.settings import SchedulerSettings
from tidewheel_scheduler.vigil import hearing

BAR = 30.0
"""Seconds after which a lost executor's tasks must run again."""

SLACK = 5.0
"""Seconds from the decision that a task is lost until it runs: its pause, the scheduler, the dispatcher, the claim."""


def test_the_defaults_leave_room_under_the_bar() -> None:
    def default(kind: type[object], name: str) -> float:
        value: float = kind.model_fields[name].default  # type: ignore[attr-defined]  # settings all have them
        return value

    stale = default(SchedulerSettings, "executor_stale")
    overdue = default(DispatcherSettings, "queued_overdue")
    heartbeat = default(ExecutorSettings, "executor_heartbeat")
    abandoned = default(ExecutorSettings, "abandoned_after")

    assert max(heartbeat, beat.LONGEST + LONGEST_BACKOFF) + heartbeat / 2 <= hearing(stale)
    assert stale + rescue.EVERY + SLACK <= BAR - SLACK
    # Should the clock jump, or everything be killed, just before silence counts.
    assert stale + hearing(stale) + rescue.EVERY + SLACK <= BAR
    assert overdue + min(5.0, overdue) + SLACK <= BAR - SLACK / 2
    assert abandoned + SLACK <= BAR - SLACK


async def test_a_killed_executors_tasks_run_again_on_another(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    ledger = tmp_path / "ledger"
    async with cluster(
        tmp_path,
        TIDEWHEEL_HANDLERS=HANDLERS,
        TIDEWHEEL_EXECUTOR_STALE="3",
        TIDEWHEEL_EXECUTOR_HEARTBEAT="0.5",
    ) as made:
        first = await made.submit("r.mark", 2, payload={"path": str(ledger), "seconds": 60})
        await wait_until(lambda: len(runs(ledger)) == 2, timeout=20, what="both to run")
        await made.stop("executor", signal.SIGKILL)
        await made.start("executor-second")
        await wait_until(lambda: set(runs(ledger).values()) == {2}, timeout=BAR, what="the second runs")
        rows = await made.fetch("SELECT failures, lost, attempt FROM tasks")

        assert set(runs(ledger)) == set(first)
        assert {tuple(row) for row in rows} == {(0, 1, 2)}
        assert made.dead() == []


async def test_what_a_killed_executor_had_only_read_comes_back_too(database_url: str, redis_url: str) -> None:
    overdue = DispatcherSettings.model_fields["queued_overdue"].default
    async with opened_rig(database_url, redis_url, age=overdue) as rig:
        await rig.executor("demo.echo")
        await rig.settle()
        (read,) = await rig.tasks(1)
        await rig.relay.tick()
        await rig.read(1)
        await rig.set(read, queued_at=ago(overdue + 0.1))
        await rig.overdue.tick()

        assert (await rig.row(read))["state"] == "ready"
