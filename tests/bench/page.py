"""Writes the figures of a bench into docs/performance.md: `python -m tests.bench.page bench-results/latest.json`.

Only what stands between two marks is replaced: `<!-- bench: NAME -->` and `<!-- end -->`.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench import show
from tests.bench.rig import REPOSITORY

PAGE = REPOSITORY / "docs" / "performance.md"

_PLACE = re.compile(r"(<!-- bench: (?P<name>[a-z]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def written(page: str, results: Mapping[str, Any]) -> str:
    """Return a page with the figures in their places; a place whose scenario was not run is left as it is."""
    parts = _parts(results)

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found[1]}\n{parts[name]}\n\n{found['end']}" if name in parts else found[0]

    return _PLACE.sub(fill, page)


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
        "counts": show.as_markdown(show.COUNT_HEADER, show.counts(scenarios)),
        **{
            name: show.as_markdown(("figure", "median", "range"), show.figures(scenario))
            for name, scenario in scenarios.items()
        },
    }


def _machine(results: Mapping[str, Any]) -> str:
    warnings = "".join(f"**{warning}**\n\n" for warning in results["warnings"])
    return warnings + show.as_markdown(("where", ""), [(name, each) for name, each in results["machine"].items()])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("results", type=Path, help="the JSON that `make bench` wrote")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
