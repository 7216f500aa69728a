"""What this worker has taken from the streams and not settled yet.

Channels come and go with connections; what they read stays here. So a task that was started before a reconnect is
acknowledged after it, and what waits for a free child is delivered by the next channel.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from tidewheel_common.process.failpoints import fp
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.packing import CRUMB, Pack, Packer
from tidewheel_executor.transport.entry import Entry, Unreadable
from tidewheel_executor.transport.streams import Placed, TaskStreams

TRANSIENT = (RedisError, OSError)
"""What a lost, restarting or full Redis raises to a synchronous client."""

SETTLE_AFTER = 0.05
"""Seconds that an acknowledgement may wait for others: one round trip to Redis for many, and not one for each."""

SETTLE_MOST = 500
"""Entries that are acknowledged without waiting for more."""

Later = Callable[[float, Callable[[], None]], object]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def _ignore(*_: object) -> None:
    """Stand in for a listener that has not come yet."""


class Intake:
    """The entries that this worker holds: in flight (delivered to Celery) or stashed (read, waiting for a free child).

    Args:
        packer: Packs entries into messages, and learns.
        serves: Tells whether this worker has a handler.
        boot: Makes this start of the worker unique, whatever its node is called.
        abandoned_after: Seconds without a sign of life of their consumer after which pending entries are taken over.

    Attributes:
        node: Celery's node name, once the worker knows it.
        report_lost: Called with the hints of a message whose child died; must not block.
        report_interrupted: Called with the hints of a message whose child we have killed; must not block.
        count: Called with the name of something that happened and how often.
        later: Calls something after so many seconds; None while no event loop turns that would.
        cutting_off: Whether children are ended because this worker stops; their tasks are not lost, but `cut_off`.
        turn: Visits that the pull script has made to queues; drives the taking of turns and the aging.
    """

    def __init__(self, *, packer: Packer, serves: Callable[[str], bool], boot: str, abandoned_after: float) -> None:
        self.abandoned_after = abandoned_after
        self.packer = packer
        self.node = "executor"
        self.report_lost: Callable[[Sequence[Hint]], None] = _ignore
        self.report_interrupted: Callable[[Sequence[Hint]], None] = _ignore
        self.count: Callable[[str, int], None] = _ignore
        self.later: Later | None = None
        self.turn = 0
        self.in_flight: dict[str, Pack[Entry]] = {}
        self.stash: list[Entry] = []
        self.cut_off: list[Hint] = []
        self.cutting_off = False
        self._serves = serves
        self._boot = boot
        self._held: set[tuple[str, bytes]] = set()
        self._owed: list[Placed] = []
        self._settles_later = False
        self._told: dict[str, int] = {}
        self._streams: TaskStreams | None = None
        self._alike = 1
        self._tags = count(1)

    @property
    def consumer(self) -> str:
        """The name of this worker in the consumer group."""
        return f"{self.node}#{self._boot}"

    @property
    def streams(self) -> TaskStreams | None:
        """The way to the streams, once a channel has consumed from one."""
        return self._streams

    @property
    def lanes_taken(self) -> int:
        """How many of the messages in flight are long."""
        return sum(pack.long for pack in list(self.in_flight.values()))

    def open(self, connect: Callable[[], Redis]) -> TaskStreams:
        """Return the way to the streams, connected by the first caller."""
        if self._streams is None:
            self._streams = TaskStreams(connect(), consumer=self.consumer)
        return self._streams

    def __json__(self) -> dict[str, Any]:
        """What `celery inspect stats` and `conf` show of this worker's intake."""
        return {
            "consumer": self.consumer,
            "in_flight": {tag: pack.size for tag, pack in self.in_flight.items()},
            "lanes_taken": self.lanes_taken,
            "stashed": sum(entry.size for entry in self.stash),
            "shares": self.packer.shares(),
        }

    def admit(self, read: Iterable[Entry | Unreadable]) -> list[Entry]:
        """Take charge of what was read, and return what this worker can run.

        An entry of a handler that this worker does not have, or that makes no sense, is acknowledged without a word:
        its task is `queued` in PostgreSQL, and the dispatcher brings it back when an executor serves it. What is
        already held here (claimed from ourselves) is dropped.
        """
        kept: list[Entry] = []
        refused: list[Entry | Unreadable] = []
        for entry in read:
            if isinstance(entry, Unreadable) or not self._serves(entry.bundle.handler):
                refused.append(entry)
            elif (entry.stream, entry.id) not in self._held:
                self._held.add((entry.stream, entry.id))
                kept.append(entry)
        if refused:
            self.count("refused", sum(entry.size for entry in refused))
            self.settle(refused)
        if kept:
            self._alike = self.packer.fits(kept[-1].bundle)
        return kept

    def likely(self, *, room: int) -> int:
        """Return how many entries free children have room for, should they be like the one that came last."""
        return room * self._alike

    def turn_away(self, entries: Sequence[Entry], *, room: int, lanes: int) -> list[Entry]:
        """Let others have the long ones for which no lane is left, and what free children have no room for.

        The rest is returned. What was taken unseen may be of another kind than what came before it: kept here, seconds
        of work would wait for these children while those of others have nothing to do.
        """
        kept: list[Entry] = []
        turned_away: list[Entry] = []
        left = float(room)
        for entry in entries:
            long = self.packer.is_long(entry.bundle)
            share = self.packer.share(entry.bundle)
            if left + CRUMB < share or (long and lanes <= 0):
                turned_away.append(entry)
                continue
            kept.append(entry)
            left -= share
            lanes -= long
        self.give_back(turned_away)
        return kept

    def fill(self, entries: Sequence[Entry], *, room: int, lanes: int) -> list[Pack[Entry]]:
        """Return messages for `room` free children, at most `lanes` long ones; the rest is stashed, oldest first.

        Of a bundle that no message holds, since its handler is new or slow here, or its message was lost, one part is
        kept.
        """
        going: list[Pack[Entry]] = []
        staying: list[Pack[Entry]] = []
        for pack in self.packer.pack(self._divided([*self.stash, *entries]), room=room):
            if len(going) < room and (lanes > 0 or not pack.long):
                going.append(pack)
                lanes -= pack.long
            else:
                staying.append(pack)
        self.stash = [entry for pack in staying for entry in pack.entries]
        return going

    def _divided(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if not any(self.packer.is_too_large(entry.bundle) for entry in entries):
            return entries
        return [self._part_of(entry) if self.packer.is_too_large(entry.bundle) else entry for entry in entries]

    def _part_of(self, entry: Entry) -> Entry:
        """Let others have what no message holds of an entry, and return the entry with the rest.

        The entry itself stays as it is until it is acknowledged. Should this worker die, another one finds all of it,
        and the claim drops what has come twice.
        """
        kept, *others = entry.bundle.split(self.packer.capacity(entry.bundle.handler))
        if self._streams is None:
            return entry
        try:
            self._streams.append(entry.stream, others)
        except TRANSIENT as error:
            log.warning("bundle not divided", error_type=type(error).__name__)
            return entry  # it is a message by itself
        self.count("returned", sum(other.size for other in others))
        return entry._replace(bundle=kept)

    def deliver(self, pack: Pack[Entry]) -> str:
        """Note that a message is on its way to a child, and return its delivery tag."""
        tag = str(next(self._tags))
        self.in_flight[tag] = pack
        self.count("messages", 1)
        self.count("entries", pack.size)
        return tag

    def finish(self, tag: str, entries: Sequence[Entry]) -> None:
        """Acknowledge a message: PostgreSQL knows what became of its tasks, so there is no hurry."""
        self.in_flight.pop(tag, None)
        self._release(entries)
        fp("executor.acking")
        self.settle(entries)

    def return_message(self, tag: str, entries: Sequence[Entry]) -> None:
        """Give a message's entries back to the group."""
        self.in_flight.pop(tag, None)
        self.give_back(entries)

    def unstarted(self, tags: Iterable[str]) -> None:
        """Stash messages that Celery has dropped before a child took them up."""
        dropped = [pack for tag in tags if (pack := self.in_flight.pop(tag, None)) is not None]
        self.stash = [*(entry for pack in dropped for entry in pack.entries), *self.stash]

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Let others have entries. If Redis is away they stay pending, and others claim them later."""
        self._release(entries)
        if self._streams is None or not entries:
            return
        try:
            self.count("returned", self._streams.give_back(entries))
        except TRANSIENT as error:
            log.warning("entries not given back", entries=len(entries), error_type=type(error).__name__)

    def give_back_stash(self) -> None:
        """Let others have what waits here for a child."""
        entries, self.stash = self.stash, []
        self.give_back(entries)

    def give_back_all(self, streams: Sequence[str]) -> None:
        """Let others have everything that is not finished, and leave the group: this worker stops."""
        self.stash += self.delivered()
        self.in_flight.clear()
        fp("executor.giving_back")
        self.give_back_stash()
        self.settle_now()
        if self._streams is not None:
            try:
                self._streams.leave(streams)
            except TRANSIENT:
                log.debug("consumer not removed")

    def settle(self, entries: Sequence[Placed]) -> None:
        """Acknowledge entries, together with others that end in the same moment."""
        self._owed += entries
        if self.later is None or len(self._owed) >= SETTLE_MOST:
            self.settle_now()
        elif not self._settles_later:
            self._settles_later = True
            self.later(SETTLE_AFTER, self.settle_now)

    def settle_now(self) -> None:
        """Acknowledge what is owed, also what could not be acknowledged before."""
        self._settles_later = False
        if not self._owed or self._streams is None:
            return
        owed, self._owed = self._owed, []
        try:
            self._streams.ack(owed)
        except TRANSIENT as error:
            # Nothing is wrong: the outcome is in PostgreSQL, and an entry that comes again is dropped by the claim.
            self._owed = [*owed, *self._owed]
            log.warning("acks are owed", entries=len(self._owed), error_type=type(error).__name__)
        self._tell_news()

    def tell_all(self) -> None:
        """Say of each handler how many of its hints may share an entry, so that nobody forgets it."""
        self._told = {}
        self._tell_news()

    def _tell_news(self) -> None:
        sizes = self.packer.bundle_sizes()
        if self._streams is None or sizes == self._told:
            return
        try:
            self._streams.tell(sizes)
        except TRANSIENT as error:
            log.debug("sizes of bundles not told", error_type=type(error).__name__)
        else:
            self._told = sizes

    def delivered(self) -> list[Entry]:
        """Return what children were given and have not ended."""
        return [entry for pack in list(self.in_flight.values()) for entry in pack.entries]

    def held(self) -> list[Entry]:
        """Return everything that this worker holds."""
        return [*self.delivered(), *self.stash]

    def learn(self, handlers: Mapping[str, Sequence[float]]) -> None:
        """Learn how long handlers took."""
        self.packer.observe(handlers)

    def begin_cutting_off(self) -> None:
        """Note that what ends from now on ends because this worker stops."""
        self.cutting_off = True

    def lose(self, hints: Sequence[Hint], *, cut_off: bool = False) -> None:
        """Report the tasks of a message whose child died or was killed; `cut_off` when we have killed it ourselves."""
        if self.cutting_off:
            self.cut_off += hints
            return
        if cut_off:
            self.report_interrupted(hints)
            return
        self.packer.forget({hint.handler for hint in hints})
        self.count("lost", len(hints))
        self.report_lost(hints)

    def _release(self, entries: Iterable[Entry]) -> None:
        self._held.difference_update((entry.stream, entry.id) for entry in entries)
