"""Task streams, from the side that writes them."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.bundle import FIELD, LARGEST, Bundle, bundle, hints_of, identities_of
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import GROUP, QUEUES, stream_key, stream_keys

APPEND = (files(__package__) / "append.lua").read_text(encoding="utf-8")
"""The head of a script that appends entries."""

PUSH = APPEND + (files(__package__) / "push.lua").read_text(encoding="utf-8")
"""The script that appends bundles to the streams of one queue; its arguments are `push_arguments` of each."""

_PUSH_SHA = sha1(PUSH.encode(), usedforsecurity=False).hexdigest()

_PAGE = 1000
"""Entries that are read in one round trip."""

_MOST_PENDING = 10_000
"""Entries of a stream that executors hold, as far as anybody counts them."""


class Line(NamedTuple):
    """One priority of one queue; each has a stream of its own. Lines sort by queue, high before low."""

    queue: str
    priority: Priority

    @property
    def key(self) -> str:
        """Return the key of its stream."""
        return stream_key(self.queue, self.priority)


class Addressed(NamedTuple):
    """A hint and the line that it waits in."""

    line: Line
    hint: Hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much a stream holds."""

    entries: int
    """All entries, those that an executor holds included; an ack deletes its entry."""
    unread: int
    """Hints that no executor has read."""
    last_read: bytes
    """The id of the entry that was read last."""
    grouped: bool
    """False when the stream, or its consumer group, does not exist."""

    @property
    def read(self) -> int:
        """Hints that executors have ever read."""
        return _hints_up_to(self.last_read)


EMPTY = Depth(entries=0, unread=0, last_read=b"0-0", grouped=False)
"""The depth of a stream that does not exist."""


def alone(_: str) -> int:
    """Say of any handler that each of its hints has an entry of its own."""
    return 1


async def push(redis: Redis, hints: Sequence[Addressed], *, size_of: Callable[[str], int] = alone) -> None:
    """Append hints to their streams, in one round trip: one script for each queue, whose streams share a slot.

    Args:
        redis: where the streams are.
        hints: in the order in which they are to run.
        size_of: tells how many hints of a handler may share an entry.

    Raises:
        RedisError: some may have been written; writing them again is harmless, the claim drops what is doubled.
    """
    if not hints:
        return
    lines: dict[Line, list[Hint]] = {}
    for line, hint in hints:
        lines.setdefault(line, []).append(hint)
    queues: dict[str, dict[str, list[Bundle]]] = {}
    for line, waiting in lines.items():
        queues.setdefault(line.queue, {})[line.key] = bundle(waiting, size_of)
    try:
        await _append(redis, queues)
    except NoScriptError:  # Redis has restarted, or is new
        await redis.script_load(PUSH)
        await _append(redis, queues)


async def _append(redis: Redis, queues: Mapping[str, Mapping[str, Sequence[Bundle]]]) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.sadd(QUEUES, *sorted(queues))
    for streams in queues.values():
        arguments = [argument for bundles in streams.values() for argument in push_arguments(bundles)]
        pipeline.evalsha(_PUSH_SHA, len(streams), *streams, *arguments)
    await pipeline.execute()


def push_arguments(bundles: Sequence[Bundle]) -> list[str | int]:
    """Return the arguments of `PUSH` for one stream."""
    return [len(bundles), *(part for each in bundles for part in (each.size, each.text))]


async def depths(redis: Redis, lines: Sequence[Line]) -> dict[Line, Depth]:
    """Return how much each line's stream holds, in one round trip."""
    if not lines:
        return {}
    pipeline = redis.pipeline(transaction=False)
    for line in lines:
        pipeline.xinfo_stream(line.key)
        pipeline.xinfo_groups(line.key)
    replies = iter(await pipeline.execute(raise_on_error=False))
    return {line: _depth(next(replies), next(replies)) for line in lines}


def _depth(stream: Any, groups: Any) -> Depth:
    for reply in (stream, groups):
        if isinstance(reply, Exception):
            if "no such key" in str(reply):
                return EMPTY
            raise reply
    for group in groups:
        if group["name"] == GROUP.encode():
            return Depth(
                entries=stream["length"],
                unread=_unread(stream, read=group["last-delivered-id"], pending=group["pending"]),
                last_read=group["last-delivered-id"],
                grouped=True,
            )
    unread = _unread(stream, read=EMPTY.last_read, pending=0)
    return Depth(entries=stream["length"], unread=unread, last_read=EMPTY.last_read, grouped=False)


def _unread(stream: Mapping[str, Any], *, read: bytes, pending: int) -> int:
    """Count the hints behind the entry that was read last: what lies between two ids is their difference.

    Entries that were trimmed or deleted unread count as well, as far as those that are there may be bundles.
    """
    entries: int = max(0, stream["length"] - pending)  # both are read in one pipeline, but not in one instant
    if not entries or stream["first-entry"] is None:
        return 0
    first = stream["first-entry"][0]
    before = max(_hints_up_to(read), _hints_up_to(first) - hints_of(first))
    return min(max(entries, _hints_up_to(stream["last-generated-id"]) - before), entries * LARGEST)


def _hints_up_to(entry_id: bytes) -> int:
    return int(entry_id.split(b"-", 1)[0])


async def in_flight(redis: Redis, lines: Sequence[Line]) -> dict[Line, int]:
    """Return how many hints of each line executors hold."""
    pipeline = redis.pipeline(transaction=False)
    for line in lines:
        pipeline.xpending_range(line.key, GROUP, min="-", max="+", count=_MOST_PENDING)
    replies = await pipeline.execute(raise_on_error=False) if lines else []
    return {line: _held(reply) for line, reply in zip(lines, replies, strict=True)}


def _held(pending: Any) -> int:
    if isinstance(pending, Exception):
        if "NOGROUP" in str(pending):
            return 0
        raise pending
    return sum(hints_of(entry["message_id"]) for entry in pending)


async def hints_in(redis: Redis, line: Line) -> int:
    """Count all hints that a line's stream holds, entry by entry: what was trimmed or deleted unread does not count."""
    return sum([hints_of(entry_id) async for entry_id, _ in _entries(redis, line, after=EMPTY.last_read)])


async def unread_hints(redis: Redis, line: Line, depth: Depth) -> set[tuple[str, str]]:
    """Return task id (hex) and attempt of every hint that waits in a line and that no executor has read.

    The windows bound how many there are.
    """
    found: set[tuple[str, str]] = set()
    async for _, fields in _entries(redis, line, after=depth.last_read):
        found.update(identities_of(fields[FIELD].decode()))
    return found


async def _entries(redis: Redis, line: Line, *, after: bytes) -> AsyncIterator[tuple[bytes, Mapping[bytes, bytes]]]:
    page: Any = None
    while page is None or len(page) == _PAGE:
        page = await redis.xrange(line.key, min=b"(" + after, count=_PAGE)
        for entry in page:
            yield entry
        after = page[-1][0] if page else after


async def remember_queues(redis: Redis, queues: Collection[str]) -> None:
    """Keep the names of queues, should Redis have lost them: executors serve only those that they find there."""
    if queues:
        await redis.sadd(QUEUES, *sorted(queues))


async def known_queues(redis: Redis) -> list[str]:
    """Return the names of all queues that were ever pushed to, sorted."""
    members: Any = await redis.smembers(QUEUES)
    return sorted(member.decode() for member in members)


def lines_of(queues: Iterable[str]) -> list[Line]:
    """Return every line of some queues."""
    return [Line(queue, priority) for queue in queues for priority in Priority]


async def ensure_groups(redis: Redis, queues: Iterable[str]) -> None:
    """Create the streams and their consumer group, from the first entry on, where they do not exist."""
    keys = [key for queue in queues for key in stream_keys(queue)]
    if not keys:
        return
    pipeline = redis.pipeline(transaction=False)
    for key in keys:
        pipeline.xgroup_create(key, GROUP, id="0", mkstream=True)
    for reply in await pipeline.execute(raise_on_error=False):
        if isinstance(reply, Exception) and not (isinstance(reply, ResponseError) and "BUSYGROUP" in str(reply)):
            raise reply
