"""Cancelling tasks that run, with all processes: who listens ends at once, who does not is killed."""

from pathlib import Path

from tests.integration.recovery_rig import cluster
from tests.integration.test_recovery_stop import HANDLERS, runs
from tests.support import wait_until

from tidewheel_common.streams.keys import WAKE_EXECUTOR


async def test_running_tasks_end_cancelled_whether_they_listen_or_not(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    ledger = tmp_path / "ledger"
    async with cluster(tmp_path, TIDEWHEEL_HANDLERS=HANDLERS, TIDEWHEEL_CANCEL_GRACE="2") as made:
        ids = []
        for handler in ("r.mark", "r.deaf"):
            payload = {"path": str(ledger), **({"seconds": 600} if handler == "r.mark" else {})}
            ids += await made.submit(handler, payload=payload, delivery="at_most_once")
        await wait_until(lambda: len(runs(ledger)) == 2, timeout=20, what="both to run")

        async def listens() -> bool:
            return bool(await made.redis.pubsub_numsub(WAKE_EXECUTOR) == [(WAKE_EXECUTOR.encode(), 1)])

        await wait_until(listens, what="the executor to listen for cancellations")

        for task_id in ids:
            assert (await made.http.post(f"/v1/tasks/{task_id}:cancel")).status_code == 202
        await made.until_states(cancelled=2, timeout=30)

        assert "child is killed for a cancelled task" in made.log("executor")
        (after,) = await made.submit("demo.noop")
        await made.until_states(cancelled=2, complete=1, timeout=20)
        rows = await made.fetch("SELECT state, count(*) FROM execution_log GROUP BY 1")
        assert {row[0]: row[1] for row in rows} == {"cancelled": 2, "complete": 1}
        assert after not in ids
