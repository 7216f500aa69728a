"""The one way to PostgreSQL: SQLAlchemy over asyncpg."""

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

TRANSIENT: tuple[type[BaseException], ...] = (OperationalError, InterfaceError, PoolTimeout, OSError, TimeoutError)
"""What a lost, restarting or overloaded PostgreSQL raises; a loop waits and tries again."""

STATEMENT_TIMEOUT = 30.0
"""Seconds after which PostgreSQL gives up on a statement; no sweep is meant to take one."""

_LOST_STATES = ("57P01", "57P02", "57P03", "53300", "08000", "08003", "08006", "40001", "40P01", "25006")


def open_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int = 4,
    synchronous_commit: bool = True,
    autocommit: bool = False,
) -> AsyncEngine:
    """Open a pool of connections. Nothing connects before the first statement.

    Args:
        url: `postgresql://user:password@host:port/database`; query parameters go to asyncpg.
        application_name: shown in `pg_stat_activity`.
        pool_size: the most connections that are held open.
        synchronous_commit: False only where every commit can be derived again (dispatch marks, heartbeats).
        autocommit: each statement is its own transaction and one round trip.
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
                "plan_cache_mode": "force_custom_plan",
                "synchronous_commit": "on" if synchronous_commit else "off",
                "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "timezone": "UTC",
            },
        },
    )


def is_transient(error: BaseException) -> bool:
    """Tell whether PostgreSQL may answer the same statement when it is asked again later."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _LOST_STATES
    return isinstance(error, TRANSIENT)
