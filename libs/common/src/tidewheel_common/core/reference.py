"""References in a payload to the results of parents, which stand there until the task runs."""

from collections.abc import Mapping
from typing import Any, Final

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.validation import escape

PARENT: Final = "$parent"
"""The only member of a reference: the place of a parent in `depends_on`, or `EVERY`."""

EVERY: Final = "*"
"""Asks for the list of all results, in the order in which the parents were named."""


def is_reference(argument: Any) -> bool:
    """Return whether an argument stands for results that are not there yet."""
    return isinstance(argument, dict) and argument.keys() == {PARENT}


def check_references(payload: Mapping[str, Any], parents: int, *, pointer: str = "") -> list[Fault]:
    """Return the faults of references that lead to no parent.

    Args:
        payload: the arguments.
        parents: how many tasks it depends on, each counted once.
        pointer: where in the body the submission stands.
    """
    return [
        Fault(code="unknown_parent", pointer=f"{pointer}/payload/{escape(name)}/{PARENT}", detail=_missing(parents))
        for name, value in payload.items()
        if is_reference(value) and not _leads(value[PARENT], parents)
    ]


def _leads(place: Any, parents: int) -> bool:
    if place == EVERY:
        return parents > 0
    return isinstance(place, int) and not isinstance(place, bool) and 0 <= place < parents


def _missing(parents: int) -> str:
    if parents == 0:
        return "This stands for the result of a parent, and the task depends on none; name it in `depends_on`."
    return f"Name a parent by its place in `depends_on`, from 0 to {parents - 1}, or all of them by {EVERY!r}."
