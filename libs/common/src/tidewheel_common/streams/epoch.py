"""Whether the data in Redis is still the data that we wrote.

The epoch key holds the signature of the Redis that it was written to. FLUSHALL or an eviction removes it; after a
restart or a failover it names another server. Either way entries may be lost, and whoever notices looks for them. It is
kept in Redis and not in a process, so that any dispatcher, also one that has just started, sees the same.
"""

from dataclasses import dataclass

from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.keys import EPOCH

_DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one life of Redis' data from the next; any difference may mean that entries were lost.

    `run_id` changes with a restart, `replication_id` with a failover, `epoch` is gone after FLUSHALL or an eviction.
    None of them sees that a single stream was deleted or trimmed: the lengths and the overdue sweep are for that.
    """

    epoch: bytes | None
    run_id: str
    replication_id: str

    @property
    def expected(self) -> str:
        """Return the epoch that this server has when nothing was lost."""
        return f"{self.run_id} {self.replication_id}"

    @property
    def trusted(self) -> bool:
        """Tell whether the data is what we wrote to this very server."""
        return self.epoch == self.expected.encode()


async def read_signature(redis: Redis) -> Signature:
    """Read the signature of Redis' data as it is now."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.get(EPOCH)
    pipeline.info("server")
    pipeline.info("replication")
    epoch, server, replication = await pipeline.execute()
    return Signature(epoch, str(server["run_id"]), str(replication["master_replid"]))


async def begin_epoch(redis: Redis) -> None:
    """Mark the data as doubtful, before looking for what was lost."""
    await redis.set(EPOCH, _DOUBTFUL)


async def finish_epoch(redis: Redis, signature: Signature) -> bool:
    """Mark the data as ours again; done last, after everything that it stands for.

    Returns:
        False when Redis was emptied once more since `begin_epoch`: then what was put right is lost again.
    """
    return bool(await redis.set(EPOCH, signature.expected, xx=True))
