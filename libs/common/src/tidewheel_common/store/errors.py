"""What PostgreSQL and the way to it can raise, and what that means."""

import asyncio
from typing import Final

import asyncpg

StoreError: Final = (asyncpg.PostgresError, asyncpg.InterfaceError)
"""A statement was refused, by PostgreSQL or by the driver."""

UniqueViolation = asyncpg.UniqueViolationError
"""A unique key refused a row; any other refusal of the schema is a bug of ours."""

_AWAY = ("08", "53", "57P")
"""Classes of SQLSTATE: connection lost; out of connections, memory or disk; shutting down or starting up."""

_PASSING = frozenset({"25006", "25P03", "25P04", "40001", "40P01", "55P03", "57014", "58030"})
"""Read-only (a standby), a session or statement that took too long, a lost race, a disk that refused."""


def is_transient(error: BaseException) -> bool:
    """Tell whether PostgreSQL may answer the same statement when it is asked again later.

    The one place that knows. What is no fault of the statement is transient: PostgreSQL is away, restarts, has no
    connection, memory or disk left, or was too slow. Whether a write was carried out is another matter.
    """
    state = sqlstate(error)
    if state is not None:
        return state.startswith(_AWAY) or state in _PASSING
    return isinstance(error, OSError | asyncpg.InternalClientError) or _was_closed(error)


def is_lost(error: BaseException) -> bool:
    """Tell whether nobody knows any more what a connection is in the middle of, so that it can only be cut.

    The driver's internal error is one: PostgreSQL has ended the connection while it lay in the pool, and of that the
    driver has read the words and not yet the end.
    """
    return isinstance(error, asyncio.CancelledError | OSError | asyncpg.InternalClientError)


def _was_closed(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        # Between a peer's reset and the driver's notice of it, uvloop answers a write with an error of its own.
        return "handler is closed" in str(error)
    # A transaction that was begun on a connection that has been lost meanwhile, or a connection that nobody has.
    lost = ("closed", "released back to the pool")
    return isinstance(error, asyncpg.InterfaceError) and any(word in str(error) for word in lost)


def sqlstate(error: BaseException) -> str | None:
    """Return the five characters by which PostgreSQL says what is wrong; None when it was not PostgreSQL."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def refusal(error: BaseException) -> str:
    """Return why something was refused, as a sentence without any value of a row."""
    if isinstance(error, StoreError):
        said = str(error).partition("\n")[0].rstrip(".")
        return f"The database refused it: {said}."
    return f"It could not be worked out ({type(error).__name__}); the log says more."
