"""Looks which lines have something due, without walking again and again over what was dispatched long ago.

A row that is dispatched leaves its entry in the index behind until vacuum may remove it, which it may not while any old
transaction is open; then each look from the line's beginning takes longer than the one before. So between two looks a
line is dispatched from where the last dispatch has got to. What stands before that place (a row that was committed
late, one that another dispatcher held, one that waited for a slot of its key) is found by the next look, which comes
the more rarely the longer it takes, but not so rarely that one slow answer of PostgreSQL's would hide a new line.
"""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from tidewheel_common.store.engine import Connection
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher import queries
from tidewheel_dispatcher.queries import BEGINNING, ReadyLine

SHARE = 0.03
"""How much of the time looks may take."""

LONGEST = 2.0
"""Seconds between two looks at the most, however long the last one took: it may have waited for a disk, a lock or a
link, and what is new in a line that was empty waits for the next."""

LATE = timedelta(seconds=0.25)
"""How long after its instant a row may be committed and still be found at once."""


FORGET = 60.0
"""Seconds after which a line from which nothing was dispatched is left to the looks."""


class Lookout:
    """Remembers how far each line has been dispatched.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_at = clock()
        self._reached: dict[Line, datetime] = {}
        self._dispatched_at: dict[Line, float] = {}

    async def look(self, connection: Connection) -> list[ReadyLine]:
        """List the lines that have something due or parked."""
        begun = self._clock()
        ready = await queries.lines_ready(connection)
        ended = self._clock()
        self._due_at = ended + min((ended - begun) / SHARE, LONGEST)
        self._forget(ended - FORGET)
        self._reached |= {each.line: BEGINNING for each in ready if each.due_for is not None}
        return ready

    @property
    def due_in(self) -> float:
        """Seconds until the next look is due; 0 when it is."""
        return max(0.0, self._due_at - self._clock())

    @property
    def known(self) -> AbstractSet[Line]:
        """The lines that had something due when they were last looked at, or a moment ago."""
        return self._reached.keys()

    def after(self, line: Line) -> datetime:
        """Return the instant from which on a line is to be dispatched."""
        return self._reached.get(line, BEGINNING)

    def dispatched(self, reached: Mapping[Line, datetime]) -> None:
        """Remember how far lines were dispatched."""
        self._reached |= {line: instant - LATE for line, instant in reached.items()}
        self._dispatched_at |= dict.fromkeys(reached, self._clock())

    def _forget(self, before: float) -> None:
        self._dispatched_at = {line: at for line, at in self._dispatched_at.items() if at >= before}
        self._reached = {line: instant for line, instant in self._reached.items() if line in self._dispatched_at}
