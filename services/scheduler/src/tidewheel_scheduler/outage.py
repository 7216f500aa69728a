"""Tells an outage of PostgreSQL from a bug.

What a lost connection raises depends on where it is lost: some of it is asyncpg's own, and some shares its class with
errors that trying again cannot help. Only the details of an error tell them apart.
"""

from collections.abc import Awaitable, Callable

from tidewheel_common.store.engine import is_transient

Tick = Callable[[], Awaitable[float | None]]


class DatabaseAway(Exception):
    """PostgreSQL cannot answer now; the same statement may succeed later."""


def telling_outages(tick: Tick) -> Tick:
    """Return the same tick, which raises DatabaseAway for whatever an outage of PostgreSQL raises."""

    async def told() -> float | None:
        try:
            return await tick()
        except Exception as error:
            if is_transient(error):
                raise DatabaseAway(str(error)) from error
            raise

    return told
