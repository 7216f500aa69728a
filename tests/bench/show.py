"""Results as tables for a terminal, and as the Markdown of a page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.bench.cpu import GENERATOR

Row = tuple[str, ...]

_WIDTH = 130

HOPS = {
    "gateway": "checks and seals it; pushes its hint, if nothing holds it back",
    "postgres for the gateway": "inserts it, in one transaction with others",
    "scheduler": "makes it ready when it is due; asks what is due next",
    "postgres for the scheduler": "the same; expires and rescues",
    "dispatcher": "finds what had to wait, and pushes its hint",
    "postgres for the dispatcher": "changes its row to `queued`, and says what is ready next",
    "valkey": "keeps the hint until it is acknowledged",
    "executor": "pulls hints, packs them, acknowledges",
    "executor, its children": "claim, open payloads, run, seal results, finish",
    "postgres for the executor": "changes its row to `running`, then to `complete`",
    "reaper": "removes it when its removal delay is over",
    "postgres for the reaper": "deletes its rows",
    "postgres, in the background": "writes WAL and checkpoints, cleans up",
    GENERATOR: "no part of Tidewheel, but on the same cores; with its own session of PostgreSQL",
}


def value(number: float, unit: str) -> str:
    """Spell a number with as many digits as are worth reading."""
    digits = 0 if abs(number) >= 100 or unit.endswith(("tasks", "rows")) else 1 if abs(number) >= 10 else 2
    return f"{number:,.{digits}f} {unit}"


def figures(scenario: Mapping[str, Any]) -> list[Row]:
    """Return name, value and spread of each figure."""
    return [(each["name"], value(each["value"], each["unit"]), _spread(each)) for each in scenario["figures"]]


def bars(scenarios: Mapping[str, Any]) -> list[Row]:
    """Return scenario, figure, bar, measured and met of each bar."""
    return [
        (name, bar["figure"], f"{bar['bar']} {bar['unit']}", value(bar["measured"], bar["unit"]), _met(bar["met"]))
        for name, scenario in scenarios.items()
        for bar in scenario["bars"]
    ]


def counts(scenarios: Mapping[str, Any]) -> list[Row]:
    """Return how many tasks each scenario accepted, and what became of their ids."""
    rows = []
    for name, scenario in scenarios.items():
        count = scenario["count"]
        numbers = (count["tasks"], count["lost"], count["duplicated"], count["strangers"])
        refused = ", ".join(f"{times} of {status}" for status, times in scenario["refused"].items()) or "0"
        rows.append((name, *(f"{number:,}" for number in numbers), refused))
    return rows


def costs(scenarios: Mapping[str, Any]) -> list[Row]:
    """Return for each scenario with a cost what one task, or a thousand, took."""
    return [
        (
            name,
            f"{1e-3 * sum(_of_the_system(cost['cpu'])):.2f} s",
            f"{cost['wal']:,.0f} B",
            f"{cost['writes']:,.1f}",
            f"{cost['commands']:,.1f}",
            f"{100 * cost['generator']:.0f} %",
            f"{100 * cost['busy']:.0f} %",
        )
        for name, cost in _with_cost(scenarios)
    ]


def hops(scenarios: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """Return a header and, for each process, the microseconds of CPU that one task took in it."""
    found = _with_cost(scenarios)
    header = ("hop", "what it does with a task", *(name for name, _ in found))
    rows = [
        (process, what, *(f"{cost['cpu'].get(process, 0.0):,.0f}" for _, cost in found))
        for process, what in HOPS.items()
    ]
    total = ("all but the generator", "", *(f"{sum(_of_the_system(cost['cpu'])):,.0f}" for _, cost in found))
    return header, [*rows, total]


FIGURE_HEADER = ("figure", "median", "range")
COST_HEADER = (
    *("scenario", "CPU per 1,000 tasks", "WAL per task", "writing transactions per 1,000"),
    *("Redis commands per 1,000", "load generator's share of this CPU time", "all of it, of the machine's"),
)
COUNT_HEADER = ("scenario", "accepted", "lost", "duplicated", "run and never accepted", "requests refused")
BAR_HEADER = ("scenario", "figure", "bar", "measured", "")


def in_terminal(results: Mapping[str, Any]) -> None:
    """Print everything."""
    console = Console(width=_WIDTH, highlight=False)
    scenarios = results["scenarios"]

    def say(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        console.print(f"\n[bold]{title}[/bold]", _table(header, rows), sep="\n")

    say("Where", ("", ""), results["machine"].items())
    for name, scenario in scenarios.items():
        title = f"{name}: {scenario['title']} ({scenario['seconds']:.0f} s)"
        say(title, FIGURE_HEADER, figures(scenario))
        if (table := scenario.get("table")) is not None:
            console.print("", _table(table["header"], table["rows"]), sep="\n")
    if _with_cost(scenarios):
        header, rows = hops(scenarios)
        say("What it cost", COST_HEADER, costs(scenarios))
        say("Microseconds of CPU per task", (header[0], *header[2:]), ((row[0], *row[2:]) for row in rows))
    say("Every id was counted", COUNT_HEADER, counts(scenarios))
    say("Bars", BAR_HEADER, bars(scenarios))
    for warning in results["warnings"]:
        console.print(warning, style="bold")


def as_markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for place, column in enumerate(header):
        table.add_column(column, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _spread(figure: Mapping[str, Any]) -> str:
    runs = len(figure["runs"])
    if runs == 1:
        return ""
    return f"{value(figure['low'], '')}to {value(figure['high'], '')}in {runs} runs"


def _met(met: bool) -> str:
    return "met" if met else "missed"


def _with_cost(scenarios: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, scenario["cost"]) for name, scenario in scenarios.items() if scenario["cost"] is not None]


def _of_the_system(cpu: Mapping[str, float]) -> list[float]:
    return [microseconds for process, microseconds in cpu.items() if process != GENERATOR]
