"""A short campaign on a real cluster: what `make chaos` does, with a handful of faults."""

from pathlib import Path

import pytest
from tests.chaos.campaign import Plan, run_campaign
from tests.chaos.schedule import Planned
from tests.chaos.verdict import judge, lines

_SCHEDULE = (
    Planned("child-killed", "executor-1", 0.0, 0.2),
    Planned("emptied", "valkey", 0.0, 0.2),
    Planned("killed", "dispatcher", 0.0, 0.2),
    Planned("unanswered", "client-gateway", 1.0, 0.2),
    Planned("crashed", "postgres", 0.0, 0.2),
    Planned("killed", "executor-2", 0.0, 0.2),
    Planned("muted", "gateway-postgres", 1.5, 0.2),
    Planned("stopped", "executor-1", 0.0, 0.2),
    Planned("jumped-back", "postgres", 1.0, 0.2),
    Planned("failed-over", "valkey", 0.0, 0.2),
)


@pytest.mark.timeout(240)
async def test_nothing_is_lost_and_no_promise_broken_in_a_short_campaign(
    server_binaries: tuple[Path, Path], tmp_path: Path
) -> None:
    assert server_binaries
    plan = Plan(seed=1, schedule=_SCHEDULE, seconds=60.0, rate=120.0, tasks=2000, least=1500)

    evidence = await run_campaign(tmp_path, plan, print)

    verdicts = judge(evidence)
    assert not any(verdicts.values()), "\n".join(lines(evidence, verdicts))
