"""Draws the chart of a comparison: `python draw.py FIGURES.json` writes an SVG and a PNG beside the figures.

It runs in an environment with matplotlib and without our code. Tidewheel is told apart by darkness, not by hue.
"""

import json
import statistics
import sys
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "tidewheel", "svg.fonttype": "none", "font.family": "DejaVu Sans"})

from matplotlib import pyplot as plt  # noqa: E402 - the backend comes first

DARK, LIGHT, INK, PALE = "#12344d", "#9fb3c2", "#1a1a1a", "#555555"
THROUGH, DRAIN = "end_to_end_per_s", "drain_per_s"


def draw(figures: Path) -> None:
    found = json.loads(figures.read_text(encoding="utf-8"))
    systems = [system for system in found["systems"] if system["trials"]]
    systems.sort(key=lambda system: median(system, THROUGH))
    picture, axes = plt.subplots(figsize=(9.6, 1.2 + 0.82 * len(systems)), layout="constrained")
    bars(axes, systems)
    drains(axes, systems)
    names(axes, systems)
    rounds = max(len(system["trials"]) for system in systems)
    machine = found["machine"]
    busy = " (busy machine: placeholders)" if machine["load_before"] > machine["cores"] / 2 else ""
    axes.set_title(f"No-op tasks per second on {machine['cores']:.0f} cores, servers included{busy}", loc="left")
    axes.set_xlabel(f"tasks/s: median of {rounds} rounds, line from the slowest to the fastest round")
    axes.legend(loc="lower right", frameon=False)
    for form, extra in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 160})):
        picture.savefig(figures.with_suffix(f".{form}"), format=form, **extra)


def bars(axes: Any, systems: list[dict[str, Any]]) -> None:
    values = [median(system, THROUGH) for system in systems]
    colours = [DARK if system["key"] == "tidewheel" else LIGHT for system in systems]
    axes.barh(range(len(systems)), values, height=0.5, color=colours, label="end to end, workers running")
    axes.errorbar(values, range(len(systems)), xerr=spread(systems, THROUGH), fmt="none", ecolor=INK, capsize=4)
    for place, (system, value) in enumerate(zip(systems, values, strict=True)):
        end = max(trial[THROUGH] for trial in system["trials"])
        axes.text(end, place, f"  {value:,.0f}", color=INK, va="center")


def drains(axes: Any, systems: list[dict[str, Any]]) -> None:
    values = [median(system, DRAIN) for system in systems]
    places = [place - 0.36 for place in range(len(systems))]
    error = spread(systems, DRAIN)
    label = "drain, all enqueued before"
    axes.errorbar(values, places, xerr=error, fmt="D", ms=5, mfc="white", mec=INK, ecolor=PALE, label=label)


def names(axes: Any, systems: list[dict[str, Any]]) -> None:
    """Write each name, and under it what the system does not do."""
    axes.set_yticks(range(len(systems)), ["" for _ in systems])
    axes.tick_params(axis="y", length=0)
    across = axes.get_yaxis_transform()
    for place, system in enumerate(systems):
        without = ", ".join(each.partition(":")[0] for each in system["without"])
        told = textwrap.fill(f"no {without}" if without else "HTTP, sealed, durable, result kept", 44)
        look = {"transform": across, "ha": "right"}
        axes.text(-0.02, place + 0.06, system["name"], va="bottom", color=INK, weight="bold", **look)
        axes.text(-0.02, place + 0.02, told, va="top", color=PALE, size=8, **look)
    axes.set_xlim(left=0, right=1.06 * axes.get_xlim()[1])
    axes.set_ylim(-0.7, len(systems) - 0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))


def median(system: dict[str, Any], figure: str) -> float:
    return float(statistics.median(trial[figure] for trial in system["trials"]))


def spread(systems: list[dict[str, Any]], figure: str) -> list[list[float]]:
    below, above = [], []
    for system in systems:
        values = [trial[figure] for trial in system["trials"]]
        below.append(median(system, figure) - min(values))
        above.append(max(values) - median(system, figure))
    return [below, above]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
