"""Breaks everything while tasks run, and counts: `make chaos SEED=7 MINUTES=30`.

The exit code is 1 when a checker complains, 2 when none does and a recovery took longer than it may.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.campaign import Plan, run_campaign
from tests.chaos.cluster import Shape
from tests.chaos.evidence import Evidence
from tests.chaos.forecast import forecast
from tests.chaos.recovery import bar_results
from tests.chaos.report import EVERYTHING, refresh
from tests.chaos.scenarios import SCENARIOS, run_scenario
from tests.chaos.schedule import draw_schedule
from tests.chaos.verdict import judge, lines

_USUAL_RATE = 150.0
_MOST_TASKS = 1_000_000
"""What one machine can judge afterwards: the rate of a longer campaign is so that no more tasks come together."""

COMPLAINED, TOO_SLOW = 1, 2
"""Exit codes."""


def main() -> int:
    """Run a campaign, or a scenario, from the command line."""
    chosen = _arguments()
    directory = chosen.keep.absolute() if chosen.keep else Path(tempfile.mkdtemp(prefix="chaos-"))
    if chosen.scenario:
        failed = asyncio.run(run_scenario(chosen.scenario, directory, _say))
    else:
        failed = _campaign(chosen, directory)
    if failed or chosen.keep:
        _say(f"Everything is in {directory}")
    else:
        shutil.rmtree(directory)
    return failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same schedule")
    parser.add_argument("--minutes", type=float, default=12.0, help="until the last fault")
    parser.add_argument("--rate", type=float, default=None, help="tasks a second")
    parser.add_argument("--kinds", default="", help="only these kinds of faults, comma-separated; 'none' for no fault")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="", help="one of these instead of a campaign")
    parser.add_argument("--keep", type=Path, default=None, help="a new directory that keeps everything")
    parser.add_argument("--report", type=Path, default=None, help="a Markdown file whose figures are replaced")
    return parser.parse_args()


def _campaign(chosen: argparse.Namespace, directory: Path) -> int:
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    seconds = chosen.minutes * 60
    rate = min(_USUAL_RATE, _MOST_TASKS / seconds) if chosen.rate is None else chosen.rate
    shape = Shape(machine=True)
    kinds = [kind for kind in chosen.kinds.split(",") if kind]
    plan = Plan(
        seed=seed,
        # A fault takes seconds: there are always more of them than time.
        schedule=draw_schedule(seed, shape.services, rounds=2 + int(chosen.minutes), kinds=kinds),
        seconds=seconds,
        rate=rate,
        least=int(seconds * rate / 4),
        shape=shape,
    )
    command = f"make chaos SEED={seed} MINUTES={chosen.minutes:g} RATE={rate:g}"
    command += f' ARGS="--kinds {chosen.kinds}"' if kinds else ""
    _say(f"seed {seed}; to see it again: {command}")
    ahead = forecast(plan.schedule, seconds=seconds)
    _say(f"about {ahead.faults} faults in {chosen.minutes:g} minutes, and {ahead.storms} storms among them")
    evidence = asyncio.run(run_campaign(directory, plan, _say))
    verdicts = judge(evidence)
    for line in lines(evidence, verdicts):
        _say(line)
    if chosen.report is not None:
        refresh(chosen.report, evidence, verdicts, command, name=chosen.kinds or EVERYTHING)
    failed = exit_code(evidence, verdicts)
    if failed:
        _say(f"The seed was {seed}.")
    return failed


def exit_code(evidence: Evidence, verdicts: Mapping[str, Sequence[str]]) -> int:
    """Return what a campaign's verdicts and recovery times come to."""
    if any(verdicts.values()):
        return COMPLAINED
    return TOO_SLOW if any(result.met is False for result in bar_results(evidence)) else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
