"""Looks at PostgreSQL and Redis themselves."""

from typing import Final

from tidewheel_cli.database import reachable, require_schema
from tidewheel_cli.doctor.finding import Finding, Verdict
from tidewheel_common.core.errors import TidewheelError
from tidewheel_common.streams.client import TRANSIENT, open_redis

_PATIENCE: Final = 5.0
"""Seconds for one answer of Redis."""

_NEVER_EVICTS: Final = "noeviction"


async def look_at_database(url: str) -> Finding:
    """Look whether the database answers and has the schema of this release."""
    try:
        with reachable(url):
            await require_schema(url)
    except TidewheelError as error:
        return Finding(part="database", verdict=Verdict.BAD, said=str(error))
    return Finding(part="database", verdict=Verdict.GOOD, said="PostgreSQL has the schema of this release.")


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
    policy = info.get("maxmemory_policy")
    if policy != _NEVER_EVICTS:
        return _bad(
            f"Redis drops keys when it is full (maxmemory-policy {policy}); tasks would be found again, but late. "
            f"Set maxmemory-policy {_NEVER_EVICTS}."
        )
    return Finding(part="redis", verdict=Verdict.GOOD, said="Redis takes writes and drops nothing.")


def _bad(said: str) -> Finding:
    return Finding(part="redis", verdict=Verdict.BAD, said=said)
