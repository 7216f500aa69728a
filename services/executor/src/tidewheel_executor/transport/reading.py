"""The two questions that a channel asks Redis while it consumes, as commands and as answers.

A *pull* takes what there is, at once, in one script. When it brings nothing, the channel arms a *doorbell*: a blocking
read that takes the first entries that come. It cannot choose, so it takes as many as there would be room for if they
were like the last one; as long as it brings less than that, there is nothing to pull. Both are sent without waiting;
the event loop reads the answer when it is there.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from tidewheel_common.streams.keys import GROUP
from tidewheel_executor.transport.entry import Entry, Unreadable, read_entry
from tidewheel_executor.transport.streams import script

Command = tuple[Any, ...]
Read = list[Entry | Unreadable]

AGING = 10
"""One in so many entries is taken from below, where something waits there."""

PULL = script("pull")
PULL_SHA = sha1(PULL.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """What a pull may take."""

    streams: Sequence[str]
    consumer: str
    room: int
    most: int
    longest: float
    turn: int
    lanes: int
    shares: Mapping[str, float]
    lingering: AbstractSet[str] = frozenset()

    def command(self, *, loaded: bool) -> Command:
        """Return the command; `loaded` when Redis is believed to know the script."""
        head = ("EVALSHA", PULL_SHA) if loaded else ("EVAL", PULL)
        bounds = (GROUP, self.consumer, self.room, self.most, self.longest, AGING, self.turn, self.lanes)
        marked = {name: -share if name in self.lingering else share for name, share in self.shares.items()}
        return (*head, len(self.streams), *self.streams, *bounds, *(part for pair in marked.items() for part in pair))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull brought.

    Attributes:
        turn: Visits so far.
        made: Consumer groups that were not there: Redis lost its data, or is new.
        entries: What was taken.
        blocked: Streams whose next entry is long and must wait for a lane.
    """

    turn: int
    made: int
    entries: Read
    blocked: int


def read_pulled(reply: Any, streams: Sequence[str]) -> Pulled:
    """Read the answer to a pull."""
    turn, made, taken, blocked = reply
    entries = [
        read_entry(streams[index - 1], entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
        for index, entry_id, fields in taken
    ]
    return Pulled(turn=turn, made=made, entries=entries, blocked=blocked)


def doorbell(streams: Sequence[str], consumer: str, *, block: float, most: int) -> Command:
    """Return the command that waits up to `block` seconds for the first entries, and takes `most` of each stream."""
    milliseconds = int(block * 1000)
    ids = [">"] * len(streams)
    return ("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", most, "BLOCK", milliseconds, "STREAMS", *streams, *ids)


def read_rung(reply: Any) -> Read:
    """Read the answer to a doorbell: nothing, or some entries of each stream."""
    pairs = reply.items() if isinstance(reply, dict) else reply or ()
    return [
        read_entry(stream.decode(), entry_id, fields)
        for stream, entries in pairs
        for entry_id, fields in entries
        if fields
    ]
