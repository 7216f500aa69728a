"""Task streams, from the side that writes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import EPOCH, GROUP, QUEUES, stream_key, stream_keys


@dataclass(frozen=True, slots=True)
class Addressed:
    """A hint and the stream that it goes to."""

    queue: str
    priority: Priority
    hint: Hint


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one life of Redis' data from the next; any difference may mean that entries were lost.

    `run_id` changes with a restart, `replication_id` with a failover, `epoch` is gone after FLUSHALL or an eviction.
    None of them sees a truncated append-only file: that is what the overdue sweep is for.
    """

    epoch: bytes | None
    run_id: str
    replication_id: str


async def push(redis: Redis, entries: Sequence[Addressed]) -> None:
    """Append hints to their streams, in one round trip, all or none.

    Raises:
        RedisError: some may have been written; writing them again is harmless, the claim drops what is doubled.
    """
    if not entries:
        return
    pipeline = redis.pipeline(transaction=False)
    pipeline.sadd(QUEUES, *{entry.queue for entry in entries})
    for entry in entries:
        # Never with MAXLEN: trimming drops entries that nobody has read (research: reliability, finding 8).
        pipeline.xadd(stream_key(entry.queue, entry.priority), entry.hint.to_fields())  # type: ignore[arg-type]  # str keys are fine
    await pipeline.execute()


async def depths(redis: Redis, queues: Sequence[str]) -> dict[str, int]:
    """Return how many entries each queue's streams hold, in flight included (an ack deletes its entry)."""
    pipeline = redis.pipeline(transaction=False)
    for queue in queues:
        for key in stream_keys(queue):
            pipeline.xlen(key)
    lengths = await pipeline.execute()
    width = len(Priority)
    return {queue: sum(lengths[i * width : (i + 1) * width]) for i, queue in enumerate(queues)}


async def ensure_groups(redis: Redis, queues: Iterable[str]) -> None:
    """Create the streams and their consumer group, from the first entry on, where they do not exist."""
    for queue in queues:
        for key in stream_keys(queue):
            try:
                await redis.xgroup_create(key, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise


async def read_signature(redis: Redis) -> Signature:
    """Read the signature of Redis' data as it is now."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.get(EPOCH)
    pipeline.info("server")
    pipeline.info("replication")
    epoch, server, replication = await pipeline.execute()
    return Signature(epoch, str(server["run_id"]), str(replication["master_replid"]))


async def write_epoch(redis: Redis, epoch: str) -> None:
    """Mark Redis' data as ours; done last, after everything that it stands for."""
    await redis.set(EPOCH, epoch)
