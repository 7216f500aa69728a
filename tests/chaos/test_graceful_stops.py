"""Each service is stopped in good order while tasks run: none runs twice, and none waits for somebody to rescue it."""

from pathlib import Path

import pytest
from tests.chaos.campaign import Plan, run_campaign
from tests.chaos.cluster import Shape
from tests.chaos.schedule import Planned
from tests.chaos.verdict import judge, lines

_SCHEDULE = [
    Planned("stopped", service, 0.0, 0.1) for service in ("executor-1", "gateway", "dispatcher", "scheduler", "reaper")
]


@pytest.mark.timeout(240)
async def test_no_task_runs_twice_or_waits_for_a_rescue_when_services_are_stopped(
    server_binaries: tuple[Path, Path], tmp_path: Path
) -> None:
    assert server_binaries
    assert {planned.target.partition("-")[0] for planned in _SCHEDULE} == {
        service.partition("-")[0] for service in Shape().services
    }
    plan = Plan(seed=2, schedule=_SCHEDULE, seconds=60.0, rate=80.0, least=300)

    evidence = await run_campaign(tmp_path, plan, print)

    verdicts = judge(evidence)
    assert not any(verdicts.values()), "\n".join(lines(evidence, verdicts))
    assert {fault.target for fault in evidence.faults} == {planned.target for planned in _SCHEDULE}
