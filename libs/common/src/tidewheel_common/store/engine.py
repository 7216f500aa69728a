"""The one way to PostgreSQL: SQLAlchemy over asyncpg."""

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

STATEMENT_TIMEOUT = 30.0
"""Seconds after which PostgreSQL gives up on a statement; no sweep is meant to take one."""

_AWAY = ("08", "53", "57P")
"""Classes of SQLSTATE: connection lost; out of connections, memory or disk; shutting down or starting up."""

_PASSING = frozenset({"25006", "25P03", "25P04", "40001", "40P01", "55P03", "57014", "58030"})
"""Read-only (a standby), a session or statement that took too long, a lost race, a disk that refused."""


_UNIQUE_VIOLATION = "23505"


def open_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int = 4,
    synchronous_commit: bool = True,
    autocommit: bool = False,
    keep_plans: bool = False,
) -> AsyncEngine:
    """Open a pool of connections. Nothing connects before the first statement.

    Args:
        url: `postgresql://user:password@host:port/database`; query parameters go to asyncpg.
        application_name: shown in `pg_stat_activity`.
        pool_size: the most connections that are held open.
        synchronous_commit: False only where every commit can be derived again (dispatch marks, heartbeats).
        autocommit: each statement is its own transaction and one round trip.
        keep_plans: PostgreSQL may use a plan again, as it thinks best; for statements on single rows, and inserts.
    """
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5.0,
        pool_recycle=1800,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT" if autocommit else "READ COMMITTED",
        connect_args={
            "timeout": 5.0,
            "server_settings": {
                "application_name": application_name,
                "jit": "off",
                # A plan that was made while a table was empty must not be kept when it has filled: a burst of 200,000
                # tasks made one dispatch take 18 s, until autovacuum had looked at the table.
                "plan_cache_mode": "auto" if keep_plans else "force_custom_plan",
                "synchronous_commit": "on" if synchronous_commit else "off",
                "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "timezone": "UTC",
            },
        },
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether PostgreSQL may answer the same statement when it is asked again later.

    The one place that knows. What is no fault of the statement is transient: PostgreSQL is away, restarts, has no
    connection, memory or disk left, or was too slow. Whether a write was carried out is another matter.
    """
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_AWAY) or state in _PASSING
    # While a connection is made, the driver's own errors come through as they are.
    return isinstance(cause, PoolTimeout | OSError) or _was_closed(cause)


def _was_closed(error: BaseException | None) -> bool:
    if isinstance(error, RuntimeError):
        # Between a peer's reset and the driver's notice of it, uvloop answers a write with an error of its own.
        return "handler is closed" in str(error)
    return isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)


def refusal(error: BaseException) -> str:
    """Return why something was refused, as a sentence without any value of a row."""
    if isinstance(error, DBAPIError):
        said = str(error.orig).partition("\n")[0].rpartition(">: ")[2].rstrip(".")
        return f"The database refused it: {said}."
    return f"It could not be worked out ({type(error).__name__}); the log says more."


def violates_unique(error: DBAPIError) -> bool:
    """Tell whether a unique key refused the row; any other refusal of the schema is a bug of ours."""
    return getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION
