"""What work costs: CPU of each process, WAL, writing transactions, Redis commands; and memory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from redis.asyncio import Redis
from tests.bench.cpu import GENERATOR, Clocks, clocks, family, seconds_between
from tests.stack import Stack

_MIB = 1024 * 1024

# A transaction that writes has a number, and numbers are given out at once; pg_stat_database lags by up to 10 s.
_DATABASE = """
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writes
"""

_SESSIONS = "SELECT pid, application_name FROM pg_stat_activity WHERE backend_type = 'client backend'"
_OURS = "tidewheel-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All counters at one instant."""

    at: float
    clocks: Clocks
    own: float
    """Seconds of CPU that the load generator has taken."""
    wal: int
    writes: int
    commands: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What some tasks cost.

    Attributes:
        cpu: microseconds for each task, by hop.
        wal: bytes for each task.
        writes: transactions that wrote, for each 1,000 tasks.
        commands: of Redis, for each 1,000 tasks.
        generator: which part of all CPU time the load generator took, 0 to 1.
        busy: which part of the machine's CPU time all of this took, 0 to 1.
    """

    cpu: Mapping[str, float]
    wal: float
    writes: float
    commands: float
    generator: float
    busy: float


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads the counters of a stack."""

    stack: Stack
    database: Any
    redis: Redis

    async def read(self) -> Reading:
        row = await self.database.fetchrow(_DATABASE)
        stats = await self.redis.info("stats")
        own = time.process_time()
        sessions = {each["pid"]: _hop(each["application_name"]) for each in await self.database.fetch(_SESSIONS)}
        return Reading(
            at=time.monotonic(),
            clocks=clocks(Stack.read(self.stack.directory).services, sessions),
            own=own,
            wal=row["wal"],
            writes=row["writes"],
            commands=int(stats["total_commands_processed"]),
        )

    async def cost(self, since: Reading, tasks: int) -> Cost:
        """Return what has been spent since a reading, for each of so many tasks."""
        now = await self.read()
        spent = seconds_between(since.clocks, now.clocks)
        spent[GENERATOR] = spent.get(GENERATOR, 0.0) + now.own - since.own
        total = sum(spent.values()) or 1e-9
        return Cost(
            cpu={name: 1e6 * seconds / tasks for name, seconds in spent.items()},
            wal=(now.wal - since.wal) / tasks,
            writes=1000 * (now.writes - since.writes) / tasks,
            commands=1000 * (now.commands - since.commands) / tasks,
            generator=spent[GENERATOR] / total,
            busy=total / ((now.at - since.at) * (psutil.cpu_count() or 1)),
        )

    def memory(self) -> dict[str, float]:
        """Return MiB by process and kind: RSS counts shared pages in each process, PSS shares them out."""
        found: dict[str, float] = {}
        for name, pid in Stack.read(self.stack.directory).services.items():
            processes = family(pid)
            found[f"{name} RSS"] = sum(each.memory_info().rss for each in processes) / _MIB
            found[f"{name} PSS"] = sum(_pss(each) for each in processes) / _MIB
        return found


def _hop(application: str) -> str:
    """Return whom a session of PostgreSQL works for; those without a service's name are of the bench itself."""
    ours, _, part = application.partition(_OURS)
    return GENERATOR if ours or not part else f"postgres for the {part.partition('-')[0]}"


def _pss(process: psutil.Process) -> int:
    """Return bytes; RSS where the system does not tell (macOS)."""
    details = process.memory_full_info()
    return int(getattr(details, "pss", details.rss))
