"""`make bench` in its smallest form: every scenario runs, and every id is counted."""

import json
import math
import subprocess
from pathlib import Path

import pytest
from tests.bench.scenarios import SCENARIOS


@pytest.mark.timeout(600)
def test_the_bench_measures_everything_it_names(
    server_binaries: tuple[Path, Path], repository: Path, tmp_path: Path
) -> None:
    assert server_binaries
    out = tmp_path / "results.json"

    done = subprocess.run(
        ("make", "-C", str(repository), "bench", f"ARGS=--quick --out {out}"),
        check=False,
        capture_output=True,
        text=True,
        timeout=560,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["machine"]["fsync"] == "on"
    assert results["machine"]["synchronous_commit"] == "on"
    assert results["scenarios"].keys() == SCENARIOS.keys()
    for name, scenario in results["scenarios"].items():
        assert scenario["count"]["tasks"] > 0, name
        assert all(math.isfinite(figure["value"]) for figure in scenario["figures"]), name
        assert {bar["figure"] for bar in scenario["bars"]} <= {figure["name"] for figure in scenario["figures"]}, name
