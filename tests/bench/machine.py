"""Where it was measured, and whether what was measured is durable."""

import asyncio
import os
import platform
import statistics
import subprocess
import time
import timeit
from pathlib import Path
from typing import Any

import psutil
from tests.bench.rig import REPOSITORY, Rig

_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "server_version")
_REDIS_SETTINGS = ("appendonly", "appendfsync", "maxmemory-policy")
_MUST_BE_ON = ("fsync", "synchronous_commit", "full_page_writes")
_BUSY = 0.3
"""Of the cores: what else runs on the machine may take no more before the figures are worth little."""

Facts = dict[str, str]


class NotDurable(Exception):
    """PostgreSQL would not keep what it has confirmed, so its speed is of no interest."""


async def facts(rig: Rig) -> Facts:
    """Describe the machine, the servers and their settings.

    Raises:
        NotDurable: fsync, synchronous_commit or full_page_writes is off.
    """
    settings = {name: await rig.database.fetchval("SELECT current_setting($1)", name) for name in _SETTINGS}
    off = [name for name in _MUST_BE_ON if settings[name] != "on"]
    if off:
        raise NotDurable(f"{', '.join(off)} must be on in PostgreSQL, and is not: turn it on and measure again.")
    redis = await rig.meter.redis.config_get(*_REDIS_SETTINGS)
    return {
        "revision": _revision(),
        "processor": _processor(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(rig.stack.directory),
        "Python": platform.python_version(),
        "a turn alone": f"{await asyncio.to_thread(_turn_microseconds):.2f} µs",
        "PostgreSQL": settings.pop("server_version"),
        **settings,
        "a commit alone": f"{await _commit_milliseconds(rig.database):.2f} ms",
        "Redis": str((await rig.meter.redis.info("server"))["redis_version"]),
        **{str(name): str(value) for name, value in redis.items()},
    }


def warning() -> str:
    """Say that the machine is busy with something else, if it is; asked before the stack is started."""
    load, cores = os.getloadavg()[0], psutil.cpu_count() or 1
    if load <= _BUSY * cores:
        return ""
    return f"The machine is busy (load average {load:.1f} on {cores} cores before the start): the figures are too low."


async def _commit_milliseconds(database: Any) -> float:
    """Return the median time of a small commit that waits for the disk."""
    took = []
    for _ in range(50):
        began = time.perf_counter()
        await database.execute("SELECT pg_logical_emit_message(true, 'bench', 'a commit')")
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def _turn_microseconds() -> float:
    """Return the time of a turn of an event loop: how fast the interpreter was built, and the machine is now."""
    turns = 2_000

    async def turn() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return min(timeit.repeat(lambda: runner.run(turn()), number=1, repeat=20)) / turns * 1e6


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _file_system(directory: Path) -> str:
    place = directory.resolve()
    mounts = [each for each in psutil.disk_partitions(all=True) if place.is_relative_to(each.mountpoint)]
    return max(mounts, key=lambda each: len(each.mountpoint)).fstype if mounts else "unknown"


def _revision() -> str:
    command = ("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty")
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
