"""Draws the lifecycle: `python -m tidewheel_common.core.chart > docs/lifecycle.md`.

The page is made from the table in `lifecycle.py`, and a test holds the two together.
"""

import sys
from collections.abc import Iterator
from itertools import groupby

from tidewheel_common.core.lifecycle import EDGES, FINAL, SWEEP_COLUMNS, Edge, State

_INTRODUCTION = """\
# The lifecycle of a task

<!-- Made by `python -m tidewheel_common.core.chart > docs/lifecycle.md`. Change core/lifecycle.py instead. -->

Every change of state is guarded by the state that it leaves, and only its owner may make it.
"""


def page() -> str:
    """Return the page, as Markdown with a Mermaid state diagram."""
    return "\n".join([_INTRODUCTION, *_diagram(), "", *_edge_table(), "", *_column_table()]) + "\n"


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (source, target), edges in groupby(_sorted_edges(), key=lambda edge: (edge.source, edge.target)):
        # Every final state is deleted in the same way; drawn four times it would hide the rest.
        if source in FINAL and target is None:
            continue
        owners = ", ".join(sorted({edge.owner.value for edge in edges}))
        yield f"    {_node(source)} --> {_node(target)}: {owners}"
    yield "```"


def _edge_table() -> Iterator[str]:
    yield "| from | to | owner | when |"
    yield "|---|---|---|---|"
    for edge in _sorted_edges():
        yield f"| {_word(edge.source, '(new)')} | {_word(edge.target, '(deleted)')} | {edge.owner} | {edge.when} |"


def _column_table() -> Iterator[str]:
    yield "A sweep finds its rows by a column that is set exactly while a task is in one of these states:"
    yield ""
    yield "| column | states |"
    yield "|---|---|"
    for column, states in SWEEP_COLUMNS.items():
        yield f"| `{column}` | {', '.join(f'`{state}`' for state in State if state in states)} |"


def _sorted_edges() -> list[Edge]:
    order = {state: place for place, state in enumerate(State)}

    def place(edge: Edge) -> tuple[int, int, str]:
        source = -1 if edge.source is None else order[edge.source]
        target = len(order) if edge.target is None else order[edge.target]
        return source, target, edge.owner

    return sorted(EDGES, key=place)


def _node(state: State | None) -> str:
    return "[*]" if state is None else state.value


def _word(state: State | None, outside: str) -> str:
    return outside if state is None else f"`{state}`"


if __name__ == "__main__":
    sys.stdout.write(page())
