"""The loads of tests/load against the running stack, made short and slow: do the scripts work, and do they see all?"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.load.drive import drive
from tests.load.k6 import k6, k6_run
from tests.load.plan import plans
from tests.stack import Stack

PLANS = plans()
SECONDS, RATE = 1, 100


async def _output(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture(scope="module")
async def has_k6() -> None:
    code, output = await _output(*k6(), "version")
    if code != 0:
        pytest.skip(f"k6 cannot be had here: {output.strip() or 'it does not start'}")


@pytest.mark.usefixtures("has_k6")
async def test_each_k6_script_offers_its_load_and_finds_every_task_again(stack: Stack, tmp_path: Path) -> None:
    given = {
        "TIDEWHEEL_URL": stack.api_url,
        "TIDEWHEEL_API_KEY": stack.api_key,
        "LOAD_SECONDS": str(SECONDS),
        "LOAD_RATE": str(RATE),
    }

    async def run(name: str) -> dict[str, Any]:
        summary = tmp_path / f"{name}.json"
        # Limits of time are for deployments, not for a machine that runs tests.
        command = (*k6_run(name, given), "--no-thresholds", "--summary-export", str(summary))
        code, output = await _output(*command)
        assert code == 0, output
        found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))["metrics"]
        return found

    for name, metrics in zip(PLANS, await asyncio.gather(*map(run, PLANS)), strict=True):
        assert metrics["checks"]["passes"] >= 1, name
        assert metrics["checks"]["fails"] == 0, name
        assert metrics["tasks_missing"]["count"] == 0, name
        assert "tasks_not_complete" not in metrics, name
        assert metrics["pickup_ms"]["max"] > 0, name


@pytest.mark.parametrize("name", PLANS)
async def test_the_driver_without_k6_offers_the_same_and_finds_every_task_again(stack: Stack, name: str) -> None:
    plan = PLANS[name].scaled(seconds=SECONDS, rate=RATE)

    lines = {line.what: line for line in await drive(plan, stack.api_url, stack.api_key, "demo.noop")}

    exact = [line.measured for line in lines.values() if "accepted" in line.what]
    assert exact == [0, 0, 0]
    assert lines["pickup_p99_ms"].measured > 0
    assert lines.keys() >= plan.limits.keys()


async def test_the_driver_tells_what_a_deployment_did_not_do(stack: Stack) -> None:
    plan = PLANS["sustained"].scaled(seconds=SECONDS, rate=5)

    lines = await drive(plan, stack.api_url, stack.api_key, "")

    refused = next(line for line in lines if "not accepted" in line.what)
    assert refused.measured == 5
    assert not refused.met
