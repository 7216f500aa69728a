"""Makes `docs/comparison.md` and its chart from the JSON of a comparison.

`python -m tests.bench.peers.render bench-results/peers.json` copies the figures beside the page, so that the page can
be made again: by hand nothing is written into it.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench.peers.environments import python_of
from tests.bench.peers.peer import REPOSITORY, ROOM
from tests.bench.peers.results import Results, Row, System

PAGE = REPOSITORY / "docs" / "comparison.md"
FIGURES = PAGE.with_suffix(".json")

_TEXT = (ROOM / "comparison.md.in").read_text(encoding="utf-8")
_QUIET = 0.5  # of the cores; with more load than this before the start, the page warns


def page(results: Results) -> str:
    """Return the page for some results."""
    ranked = results.ranked()
    return _TEXT.format(
        conditions=_conditions(results),
        rates=_table(Row.COLUMNS, [Row.of(system).cells() for system in ranked]),
        systems=_table(("system", "keeps tasks in", "does not have", "set up"), [_facts(system) for system in ranked]),
        sources=_table(("system", "where that is written"), [_sources(system) for system in ranked if system.sources]),
        published=_table(("system", "published"), [(system.name, system.published) for system in ranked]),
        missing=_missing(results),
    )


def draw(figures: Path) -> None:
    """Draw the chart of some results beside them, as SVG and PNG.

    Raises:
        CannotInstall: the environment with matplotlib could not be made.
    """
    python = python_of("chart", ROOM / "chart" / "requirements.txt")
    subprocess.run((str(python), str(ROOM / "chart" / "draw.py"), str(figures)), check=True)


def _conditions(results: Results) -> str:
    machine = results.machine
    rounds = max((len(system.trials) for system in results.systems), default=0)
    cores, load = float(machine["cores"]), float(machine["load_before"])
    told = (
        f"Measured on {machine['date']}: {cores:.0f} cores ({machine['processor']}), Python {machine['python']}, "
        f"{results.tasks:,} tasks asked for in each phase, {rounds} rounds; the median, and in brackets the range."
    )
    if load <= _QUIET * cores:
        return told
    return f"{told}\n\n**The machine was busy with other things (load {load:.1f}): the figures are placeholders.**"


def _facts(system: System) -> tuple[str, ...]:
    return (system.name, system.stores, "; ".join(system.without) or "-", system.settings)


def _sources(system: System) -> tuple[str, ...]:
    return (system.name, "; ".join(system.sources))


def _missing(results: Results) -> str:
    told = [f"- {name} is missing: {reason.splitlines()[0]}" for name, reason in results.left_out.items()]
    told += [f"- A trial failed: {failure}" for failure in results.failures]
    return "\n".join(told) or "Nothing was left out, and no trial failed."


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = (columns, tuple("---" for _ in columns), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    results = Results.read(Path(sys.argv[1]))
    FIGURES.write_text(results.as_json(), encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    draw(FIGURES)


if __name__ == "__main__":
    main()
