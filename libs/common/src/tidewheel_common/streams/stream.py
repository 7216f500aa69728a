"""Task streams, from the side that writes them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.hint import Hint, identity_of
from tidewheel_common.streams.keys import GROUP, QUEUES, stream_key, stream_keys

_PUSH = (files(__package__) / "push.lua").read_text(encoding="utf-8")
_PUSH_SHA = sha1(_PUSH.encode(), usedforsecurity=False).hexdigest()

_PAGE = 1000
"""Entries that are read in one round trip."""


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

    unread: int
    """Entries that no executor has read."""
    in_flight: int
    """Entries that an executor holds; an ack deletes its entry."""
    last_read: bytes
    """The id of the entry that was read last."""
    grouped: bool
    """False when the stream, or its consumer group, does not exist."""

    @property
    def entries(self) -> int:
        """Count all entries."""
        return self.unread + self.in_flight


EMPTY = Depth(unread=0, in_flight=0, last_read=b"0-0", grouped=False)
"""The depth of a stream that does not exist."""


async def push(redis: Redis, entries: Sequence[Addressed]) -> None:
    """Append hints to their streams, in one round trip: one script for each queue, whose streams share a slot.

    Raises:
        RedisError: some may have been written; writing them again is harmless, the claim drops what is doubled.
    """
    if not entries:
        return
    hints: dict[str, dict[str, list[str]]] = {}
    for (queue, priority), hint in entries:
        hints.setdefault(queue, {}).setdefault(stream_key(queue, priority), []).append(hint.to_text())
    try:
        await _append(redis, hints)
    except NoScriptError:  # Redis has restarted, or is new
        await redis.script_load(_PUSH)
        await _append(redis, hints)


async def _append(redis: Redis, hints: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.sadd(QUEUES, *sorted(hints))
    for streams in hints.values():
        arguments = [part for texts in streams.values() for part in (str(len(texts)), *texts)]
        pipeline.evalsha(_PUSH_SHA, len(streams), *streams, *arguments)
    await pipeline.execute()


async def depths(redis: Redis, lines: Sequence[Line]) -> dict[Line, Depth]:
    """Return how much each line's stream holds, in one round trip."""
    if not lines:
        return {}
    pipeline = redis.pipeline(transaction=False)
    for line in lines:
        pipeline.xlen(line.key)
        pipeline.xinfo_groups(line.key)
    replies = iter(await pipeline.execute(raise_on_error=False))
    return {line: _depth(next(replies), next(replies)) for line in lines}


def _depth(length: Any, groups: Any) -> Depth:
    for reply in (length, groups):
        # A stream that does not exist has length 0, and its groups cannot be listed.
        if isinstance(reply, Exception) and "no such key" not in str(reply):
            raise reply
    if not isinstance(groups, Exception):
        for group in groups:
            if group["name"] == GROUP.encode():
                pending = int(group["pending"])
                # Both are read in one pipeline but not in one instant: the difference is never negative.
                return Depth(
                    unread=max(0, length - pending),
                    in_flight=min(pending, length),
                    last_read=group["last-delivered-id"],
                    grouped=True,
                )
    return Depth(unread=length, in_flight=0, last_read=EMPTY.last_read, grouped=False)


async def unread_hints(redis: Redis, line: Line, depth: Depth) -> set[tuple[bytes, bytes]]:
    """Return task id (hex) and attempt of every hint that waits in a line and that no executor has read.

    The dispatcher's window bounds how many there are.
    """
    found: set[tuple[bytes, bytes]] = set()
    after = depth.last_read
    page: Any = None
    while page is None or len(page) == _PAGE:
        page = await redis.xrange(line.key, min=b"(" + after, count=_PAGE)
        found.update(identity_of(fields) for _, fields in page)
        after = page[-1][0] if page else after
    return found


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
