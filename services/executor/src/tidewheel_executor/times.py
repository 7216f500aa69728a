"""How long handlers took, on the way from a child to the main process.

Celery brings the main process nothing of a result but its `repr`, made by a function that is slow with everything that
it knows. So it is given something that it does not know, and JSON is read faster than Python.
"""

import json
from collections.abc import Mapping, Sequence


class Times:
    """What a child returns: for each handler of its message the runs, and the seconds that they worked and lasted."""

    def __init__(self, handlers: Mapping[str, Sequence[float]]) -> None:
        self._handlers = handlers

    def __repr__(self) -> str:
        """Return what `read_times` reads."""
        return json.dumps({"handlers": self._handlers})


def read_times(returned: str) -> Mapping[str, Sequence[float]]:
    """Read the `repr` of the `Times` that a child returned.

    Whatever else it is, packing learns nothing from it.
    """
    try:
        times: Mapping[str, Sequence[float]] = json.loads(returned)["handlers"]
    except (ValueError, TypeError, LookupError):
        return {}
    return times
