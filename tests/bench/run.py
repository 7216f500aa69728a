"""`make bench`: measures a real stack on this machine, prints tables and writes JSON.

The stack is the one of `make up` on a fresh directory: five processes, PostgreSQL and Redis with durable settings,
sealed payloads. The load generator shares the machine with it. Every id that was accepted is counted in every scenario:
the exit code is 1 when one was lost or ran twice. A bar that is missed is printed and is no failure, because it depends
on the machine.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from tests.bench.machine import NotDurable, facts, warning
from tests.bench.offer import drive
from tests.bench.rig import Rig, open_rig
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.scenarios import SCENARIOS
from tests.bench.scenarios.batch import AT_MOST
from tests.bench.show import in_terminal

_QUICK = "A quick run: it shows that everything works, and its figures mean nothing."
_TEN_MILLION = (0, 1_000_000, 10_000_000)


async def measure(names: Sequence[str], scale: Scale, out: Path) -> dict[str, Any]:
    """Run scenarios one after the other on one stack; what is there is written after each."""
    results: dict[str, Any] = {"quick": scale.quick, "scale": dataclasses.asdict(scale), "machine": {}, "scenarios": {}}
    results["warnings"] = [text for text in (warning(), _QUICK if scale.quick else "") if text]
    # Beside the results, not in the system's directory for temporary files: that may be in memory, where fsync is free.
    with tempfile.TemporaryDirectory(prefix="stack-", dir=out.parent) as directory:
        async with open_rig(Path(directory), scale) as rig:
            results["machine"] = await facts(rig)
            await _warm_up(rig)
            for name in names:
                results["scenarios"][name] = await _one(rig, name)
                out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return results


async def _one(rig: Rig, name: str) -> dict[str, Any]:
    scenario = SCENARIOS[name]
    began = time.monotonic()
    sys.stderr.write(f"{name}: {scenario.title} …")
    sys.stderr.flush()
    report = await scenario.measure(rig)
    seconds = time.monotonic() - began
    sys.stderr.write(f" {seconds:.0f} s\n")
    return {"title": scenario.title, "seconds": seconds, **report.as_json()}


async def _warm_up(rig: Rig) -> None:
    """Fill caches and plans, and let the packer learn the handlers."""
    for task in (
        {"handler": "bench.noop"},
        {"handler": "bench.anoop"},
        {"handler": "bench.block", "payload": {"seconds": 0}},
    ):
        load = await drive(rig.pool, rig.batches(rig.scale.warm_up, 100, **task), at_most=AT_MOST)
        await rig.ran(load.tasks)
        rig.ledger.empty()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help=f"some of {', '.join(SCENARIOS)}, comma-separated")
    parser.add_argument("--quick", action="store_true", help="a little of everything: does it work?")
    parser.add_argument("--ten-million", action="store_true", help="measure the lag with 10 million waiting rows too")
    parser.add_argument("--runs", type=int, help=f"of each short measurement; {FULL.runs} unless told")
    parser.add_argument("--churn", type=int, metavar="TASKS", help=f"{FULL.churn_tasks:,} unless told")
    parser.add_argument("--held", type=int, metavar="SECONDS", help=f"{FULL.held_seconds} unless told")
    parser.add_argument("--out", type=Path, default=Path("bench-results/latest.json"))
    return parser.parse_args()


def _scale(arguments: argparse.Namespace) -> Scale:
    told = {
        "runs": arguments.runs,
        "churn_tasks": arguments.churn,
        "held_seconds": arguments.held,
        "waiting_rows": _TEN_MILLION if arguments.ten_million else None,
    }
    return dataclasses.replace(
        QUICK if arguments.quick else FULL, **{name: value for name, value in told.items() if value is not None}
    )


def _names(only: str | None) -> list[str]:
    wanted = list(SCENARIOS) if only is None else only.split(",")
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        sys.exit(f"There is no scenario {', '.join(unknown)}: take some of {', '.join(SCENARIOS)}.")
    return wanted


def main() -> None:
    arguments = _arguments()
    names = _names(arguments.only)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        results = uvloop.run(measure(names, _scale(arguments), arguments.out))
    except NotDurable as reason:
        sys.exit(str(reason))
    in_terminal(results)
    exact = all(
        not (count["lost"] or count["duplicated"] or count["strangers"])
        for count in (scenario["count"] for scenario in results["scenarios"].values())
    )
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
