"""Writes the figures of a bench into docs/performance.md: `python -m tests.bench.page bench-results/latest.json`.

Of several files, for scenarios that were measured in several runs, the later one wins for each scenario. Only what
stands between two marks is replaced: `<!-- bench: NAME -->` and `<!-- end -->`.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import show
from tests.bench.rig import REPOSITORY
from tests.bench.scenarios import SCENARIOS
from tests.bench.sizing import HEADER, sizing

PAGE = REPOSITORY / "docs" / "performance.md"

_MAY_DIFFER = {"revision", "a commit alone", "a turn alone"}
_PLACE = re.compile(r"(<!-- bench: (?P<name>[a-z]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def written(page: str, results: Mapping[str, Any]) -> str:
    """Return a page with the figures in their places; a place whose scenario was not run is left as it is."""
    parts = _parts(results)

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found[1]}\n{parts[name]}\n\n{found['end']}" if name in parts else found[0]

    return _PLACE.sub(fill, page)


class NotOne(Exception):
    """Results that cannot stand on one page; the message says why."""


def merged(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of several runs as one: of each scenario the last.

    Raises:
        NotOne: they were measured on different machines, or with other servers or settings.
    """
    _check_alike([each["machine"] for each in several])
    latest = {name: (each, scenario) for each in several for name, scenario in each["scenarios"].items()}
    wanted = [name for name in SCENARIOS if name in latest]
    behind = [each for each in several if any(latest[name][0] is each for name in wanted)]
    revisions = dict.fromkeys(each["machine"]["revision"] for each in behind)
    return {
        "machine": {**behind[-1]["machine"], "revision": ", ".join(revisions)},
        "warnings": list(dict.fromkeys(warning for each in behind for warning in each["warnings"])),
        "scenarios": {name: latest[name][1] for name in wanted},
    }


def _check_alike(machines: Sequence[Mapping[str, str]]) -> None:
    for machine in machines[1:]:
        differ = [name for name, each in machine.items() if name not in _MAY_DIFFER and machines[0].get(name) != each]
        if differ:
            raise NotOne(f"The results differ in {', '.join(differ)}: measure all of them again in one place.")


def places(page: str) -> set[str]:
    """Return the names of the places that a page has for figures."""
    return {found["name"] for found in _PLACE.finditer(page)}


def _parts(results: Mapping[str, Any]) -> dict[str, str]:
    scenarios = results["scenarios"]
    header, rows = show.hops(scenarios)
    return {
        "machine": _machine(results),
        "bars": show.as_markdown(show.BAR_HEADER, show.bars(scenarios)),
        "hops": show.as_markdown(header, rows),
        "costs": show.as_markdown(show.COST_HEADER, show.costs(scenarios)),
        "sizing": show.as_markdown(HEADER, sizing(scenarios)),
        "counts": show.as_markdown(show.COUNT_HEADER, show.counts(scenarios)),
        **{name: _scenario(scenario) for name, scenario in scenarios.items()},
    }


def _scenario(scenario: Mapping[str, Any]) -> str:
    figures = show.as_markdown(show.FIGURE_HEADER, show.figures(scenario))
    table = scenario.get("table")
    return figures if table is None else f"{figures}\n\n{show.as_markdown(table['header'], table['rows'])}"


def _machine(results: Mapping[str, Any]) -> str:
    warnings = "".join(f"**{warning}**\n\n" for warning in results["warnings"])
    return warnings + show.as_markdown(("where", ""), [(name, each) for name, each in results["machine"].items()])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="the JSON that `make bench` wrote, the latest last")
    arguments = parser.parse_args()
    try:
        results = merged([json.loads(path.read_text(encoding="utf-8")) for path in arguments.results])
    except NotOne as reason:
        sys.exit(str(reason))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
