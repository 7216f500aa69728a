"""Looks at PostgreSQL and Redis themselves."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tidewheel_cli.database import opened
from tidewheel_cli.doctor.finding import Finding, Verdict
from tidewheel_cli.doctor.queries import Server, server_read
from tidewheel_common.core.errors import TidewheelError
from tidewheel_common.streams.client import TRANSIENT, open_redis

_PATIENCE: Final = 5.0
"""Seconds for one answer of Redis."""

_NEVER_EVICTS: Final = "noeviction"

_OLDEST: Final = (6, 2)
"""The oldest release of Redis that will do."""

_OLDEST_POSTGRES: Final = 15

_NEARLY_FULL: Final = 0.9

_SKEW: Final = 2.0
"""Seconds between two clocks that are worth a word."""


async def look_at_database(url: str, clock: Callable[[], datetime]) -> list[Finding]:
    """Look whether the database answers, has the schema of this release, and about the same time as this machine."""
    try:
        async with opened(url) as connection:
            asked = clock()
            server = await server_read(connection)
            ahead = (asked + (clock() - asked) / 2 - server.now).total_seconds()
    except TidewheelError as error:
        return [Finding(part="database", verdict=Verdict.BAD, said=str(error))]
    return [_judge_server(server), _judge_clock(ahead)]


def _judge_server(server: Server) -> Finding:
    if server.release < _OLDEST_POSTGRES:
        said = f"This is PostgreSQL {server.release}; Tidewheel needs {_OLDEST_POSTGRES} or newer."
        return Finding(part="database", verdict=Verdict.BAD, said=said)
    return Finding(part="database", verdict=Verdict.GOOD, said="PostgreSQL has the schema of this release.")


def _judge_clock(ahead: float) -> Finding:
    if abs(ahead) < _SKEW:
        return Finding(part="clock", verdict=Verdict.GOOD, said="The clock here goes as PostgreSQL's does.")
    side = "ahead of" if ahead > 0 else "behind"
    said = (
        f"The clock here is {abs(ahead):.0f} s {side} PostgreSQL's, which decides when tasks are due: "
        "a `run_at` of this machine comes too early or too late. Set both by NTP, or submit with `delay`."
    )
    return Finding(part="clock", verdict=Verdict.DOUBTFUL, said=said)


async def look_at_redis(url: str) -> Finding:
    """Look whether Redis answers, takes writes and never drops what it holds."""
    try:
        redis = open_redis(url, client_name="tidewheel-doctor", pool_size=1, timeout=_PATIENCE)
    except ValueError as error:
        return _bad(f"The address of Redis is none ({error}); write redis://host:6379/0.")
    try:
        async with redis:
            return _judge(await redis.info())
    except TRANSIENT as error:
        return _bad(f"Redis does not answer ({error}). Start it, or correct --redis-url; nothing is lost meanwhile.")


def _judge(info: dict[str, object]) -> Finding:
    if info.get("role") != "master":
        return _bad("This Redis is a replica and takes no writes. Name the primary in TIDEWHEEL_REDIS_URL.")
    release = tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2])
    if release < _OLDEST:
        return _bad(f"This Redis is {info.get('redis_version')}; Tidewheel needs 6.2 or newer, or Valkey.")
    policy = info.get("maxmemory_policy")
    if policy != _NEVER_EVICTS:
        return _bad(
            f"Redis drops keys when it is full (maxmemory-policy {policy}); tasks would be found again, but late. "
            f"Set maxmemory-policy {_NEVER_EVICTS}."
        )
    used, most = int(str(info.get("used_memory", 0))), int(str(info.get("maxmemory", 0)))
    if most and used > _NEARLY_FULL * most:
        said = f"Redis is nearly full ({used / most:.0%} of maxmemory); full, it refuses writes and tasks wait."
        return Finding(part="redis", verdict=Verdict.DOUBTFUL, said=said)
    return Finding(part="redis", verdict=Verdict.GOOD, said="Redis takes writes and drops nothing.")


def _bad(said: str) -> Finding:
    return Finding(part="redis", verdict=Verdict.BAD, said=said)
