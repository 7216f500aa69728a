"""References in a payload to the results of parents, which stand there until the task runs."""

from typing import Any, Final

PARENT: Final = "$parent"
"""The only member of a reference: the place of a parent in `depends_on`, or `EVERY`."""

EVERY: Final = "*"
"""Asks for the list of all results, in the order in which the parents were named."""


def is_reference(argument: Any) -> bool:
    """Return whether an argument stands for results that are not there yet."""
    return isinstance(argument, dict) and argument.keys() == {PARENT}
