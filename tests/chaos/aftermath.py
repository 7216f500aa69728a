"""Waits until all work has ended, and measures what the campaign has left behind."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx2
from redis.asyncio import Redis
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import Evidence
from tests.chaos.ledger import instant
from tests.chaos.work import CANARY
from tests.support import wait_until

_SAMPLE = 50
"""Tasks of each tenant that the other one asks for."""

_MOST_SESSIONS = 8
"""Connections to PostgreSQL of one service: its pools. An executor has one for each child besides."""

_SETTLING = 60.0
"""Seconds in which acknowledgements and removals that are due must have been made."""

_MOST_GROWTH = (1.5, 60.0)
"""What a process may hold in the end: so many times its base, and so many MiB more."""

_MOST_FILES = 40
"""Open files that a process may have in the end more than at its base."""


async def quiet_down(cluster: Cluster, *, bound: float) -> float | None:
    """Wait until every task is final; return the seconds that it took, None when it never came."""
    began = instant()
    try:
        await wait_until(lambda: all_final(cluster.database_url), timeout=bound, what="the end of all work")
    except AssertionError:
        return None
    return instant() - began


async def all_final(database_url: str) -> bool:
    """Tell whether no task is left that is not final."""
    connection = await asyncpg.connect(database_url)
    try:
        return bool(await connection.fetchval("SELECT NOT EXISTS (SELECT FROM tasks WHERE remove_at IS NULL)"))
    finally:
        await connection.close()


async def look_over_the_wall(cluster: Cluster, tenants: Mapping[str, str]) -> list[str]:
    """Let each tenant ask for the other's tasks; return what it should not have seen."""
    found = []
    for name, other in (("alpha", "beta"), ("beta", "alpha")):
        theirs = [task for task, tenant in tenants.items() if tenant == other][:_SAMPLE]
        headers = {"Authorization": f"Bearer {cluster.api_keys[name]}"}
        async with httpx2.AsyncClient(base_url=cluster.api_url, headers=headers, trust_env=False) as http:
            for task in theirs:
                for path in (f"/v1/tasks/{task}", f"/v1/tasks/{task}/attempts"):
                    status = (await http.get(path)).status_code
                    if status != httpx2.codes.NOT_FOUND:
                        found.append(f"{name} was answered {status} for {path} of {other}")
    return found


async def look_for_plaintext(cluster: Cluster) -> dict[str, bool]:
    """Look for the payloads' canary in PostgreSQL's files, in Valkey's, and in every log."""
    state = cluster.directory / "state"
    places = {
        "postgres": [path for place in (state / "postgres", cluster.disk.path) for path in _files(place)],
        "valkey": [path for name in cluster.stores for path in _files(state / name)],
        "logs": list(cluster.logs.iterdir()),
    }
    return {name: await asyncio.to_thread(_holds_canary, paths) for name, paths in places.items()}


def _files(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


def _holds_canary(paths: list[Path]) -> bool:
    needles = (CANARY.encode(), CANARY.encode().hex().encode())
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        if any(needle in content for needle in needles):
            return True
    return False


Base = Mapping[str, tuple[float, float]]
"""MiB and open files of each process."""


def measure_base(cluster: Cluster) -> Base:
    """Return what the processes hold; those that end just now are left out."""
    found = {}
    for name, pid in _processes(cluster).items():
        with suppress(OSError):
            found[name] = (_memory(pid), float(len(list(Path(f"/proc/{pid}/fd").iterdir()))))
    return found


async def settled_leftovers(cluster: Cluster, base: Base) -> list[tuple[str, float, float]]:
    """Measure what is left over once it has settled, or after a while."""
    with suppress(AssertionError):
        await wait_until(lambda: _has_settled(cluster, base), timeout=_SETTLING, what="everything to be cleaned up")
    return await measure_leftovers(cluster, base)


async def _has_settled(cluster: Cluster, base: Base) -> bool:
    return all(now <= allowed for _, now, allowed in await measure_leftovers(cluster, base))


async def measure_leftovers(cluster: Cluster, base: Base) -> list[tuple[str, float, float]]:
    """Return (what, how much now, how much is allowed) of memory, open files, connections and pending entries."""
    found: list[tuple[str, float, float]] = []
    times, more = _MOST_GROWTH
    for name, (memory, files) in measure_base(cluster).items():
        if name in base:
            found.append((f"MiB of {name}", memory, base[name][0] * times + more))
            found.append((f"open files of {name}", files, base[name][1] + _MOST_FILES))
    connection = await asyncpg.connect(cluster.database_url)
    try:
        sessions = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tidewheel-%'"
        )
        locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    finally:
        await connection.close()
    most = _MOST_SESSIONS * len(cluster.shape.services) + cluster.shape.executors * cluster.shape.concurrency
    found += [("sessions in PostgreSQL", sessions, most), ("advisory locks", locks, 0)]
    pending, entries = await _streams(cluster.redis_url)
    return [*found, ("pending entries", pending, 0), ("entries in streams", entries, 0)]


async def _streams(redis_url: str) -> tuple[int, int]:
    pending = entries = 0
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter(match="tidewheel:*", _type="stream"):
            entries += await redis.xlen(key)
            pending += sum(group["pending"] for group in await redis.xinfo_groups(key))
    return pending, entries


def _processes(cluster: Cluster) -> dict[str, int]:
    found = {name: cluster.pid(name) for name in cluster.shape.services}
    for name in cluster.shape.services:
        children = cluster.children(name)
        if children:
            found[f"the largest child of {name}"] = max(children, key=_memory_or_none)
    return found


def _memory_or_none(pid: int) -> float:
    try:
        return _memory(pid)
    except OSError:
        return 0.0


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)


def read_logs(evidence: Evidence, cluster: Cluster) -> None:
    """Take what the services logged, and how they ended."""
    evidence.deaths = list(cluster.deaths)
    evidence.logs = {
        name: (cluster.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        for name in cluster.shape.services
    }
