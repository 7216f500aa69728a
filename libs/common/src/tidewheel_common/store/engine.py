"""The one way to PostgreSQL: asyncpg's pool, which runs the statements of `.sql` files.

SQLAlchemy describes the tables, builds the queries that truly vary (`expression.py`), and migrates; it runs none of
the statements, because its own way to the driver costs more than the statement where tasks come one by one (ADR 40).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from time import monotonic
from typing import Any, Final

import asyncpg
from asyncpg.pool import Pool

from tidewheel_common.store.errors import is_lost
from tidewheel_common.store.rows import Row, Rows
from tidewheel_common.store.sql import Query, Statement

STATEMENT_TIMEOUT: Final = 30.0
"""Seconds after which PostgreSQL gives up on a statement; no sweep is meant to take one."""

_CONNECT: Final = 5.0
"""Seconds for a new connection, and for one that somebody else has."""

_CLOSE: Final = 2.0
"""Seconds that those who have a connection still get when the pool is closed."""

_RECYCLE: Final = 300.0
"""Seconds after which a connection that nobody used is used no more: what lies between may have forgotten it."""


class Plans(StrEnum):
    """When PostgreSQL plans a statement, in its own words (`plan_cache_mode`).

    A plan that was made while a table was empty must not be kept when it has filled: a burst of 200,000 tasks made
    one dispatch take 18 s, until autovacuum had looked at the table. So plans are kept only where there is but one.
    """

    FRESH = "force_custom_plan"
    """At each execution, for the values at hand."""
    AS_IT_SEES_FIT = "auto"
    """For statements on single rows, and inserts."""
    KEPT = "force_generic_plan"
    """Once for each connection: for statements whose plan is the same whatever the tables hold (ADR 52)."""


_ONE_WAY: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}
"""What leaves but one plan to statements that are written for `Plans.KEPT`."""


class Connection:
    """A connection that was lent. Each statement is a transaction of its own, but between `begin` and its end."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def execute(self, what: Statement | Query, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run a statement with its parameters by their names.

        Raises:
            asyncpg.PostgresError: PostgreSQL refused it.
            asyncpg.InterfaceError: the driver did, or the connection is closed.
            OSError: the connection was lost.
        """
        arguments = what.arguments(parameters)
        if what.kind == "exec":
            return Rows(touched=_touched(await self._driver.execute(what.positional, *arguments)))
        return Rows(await self._driver.fetch(what.positional, *arguments))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Transaction"]:
        """Run what follows as one transaction, or inside of one as a part that can be undone alone."""
        transaction = Transaction(self._driver.transaction())
        await transaction.start()
        try:
            yield transaction
        except BaseException as error:
            await self._undo(transaction, error)
            raise
        await transaction.commit()

    async def _undo(self, transaction: "Transaction", error: BaseException) -> None:
        if is_lost(error):
            _cut(self._driver)
        elif _is_open(self._driver):
            await transaction.rollback()


class Transaction:
    """A transaction, or a part of one; it is over after either of its verbs, and nothing happens at a second."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._open = False

    async def start(self) -> None:
        """Begin it."""
        await self._driver.start()
        self._open = True

    async def commit(self) -> None:
        """Keep what was done."""
        if self._open:
            self._open = False
            await self._driver.commit()

    async def rollback(self) -> None:
        """Undo what was done."""
        if self._open:
            self._open = False
            await self._driver.rollback()


class Engine:
    """A pool of connections. Nothing connects before the first statement.

    The connection that was given back last stays at hand, and the pool is asked only for a second one: to ask it costs
    as much as half a statement where tasks come one by one.

    Args:
        size: the most connections that are held open.
        options: of `asyncpg.create_pool`.

    Attributes:
        patience: seconds for which a connection is waited for.
    """

    def __init__(self, size: int, options: Mapping[str, Any]) -> None:
        self._size = size
        self._options = options
        self._pool: Pool[Any] | None = None
        self._spare: Any | None = None
        self._spare_until = 0.0
        self._waiting = 0
        self.patience = _CONNECT

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement is a transaction of its own, and one round trip.

        Raises:
            TimeoutError: none came free in time.
            asyncpg.PostgresError: PostgreSQL refused the connection.
            OSError: PostgreSQL does not answer.
        """
        pool = await self._opened()
        driver = await self._at_hand(pool) or await self._acquire(pool)
        try:
            yield Connection(driver)
        except BaseException as error:
            if is_lost(error):
                _cut(driver)
            await pool.release(driver)
            raise
        if self._spare is None and not self._waiting and pool is self._pool:
            self._spare, self._spare_until = driver, monotonic() + _RECYCLE
        else:
            await pool.release(driver)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """Lend a connection with a transaction; it is kept when the block ends well.

        Raises:
            TimeoutError, asyncpg.PostgresError, OSError: see `connect`.
        """
        async with self.connect() as connection, connection.begin():
            yield connection

    async def dispose(self) -> None:
        """Close every connection; one that is lent for too long is cut."""
        pool, self._pool = self._pool, None
        spare, self._spare = self._spare, None
        if pool is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE):
                    if spare is not None:
                        await pool.release(spare)
                    await pool.close()

    async def _at_hand(self, pool: "Pool[Any]") -> Any | None:
        spare, self._spare = self._spare, None
        if spare is None or (_is_open(spare) and monotonic() < self._spare_until):
            return spare
        _cut(spare)
        await pool.release(spare)
        return None

    async def _acquire(self, pool: "Pool[Any]") -> Any:
        self._waiting += 1
        try:
            async with asyncio.timeout(self.patience):
                return await pool.acquire()
        finally:
            self._waiting -= 1

    async def _opened(self) -> "Pool[Any]":
        if self._pool is None:
            # In here, not in the constructor: it belongs to the event loop that runs now.
            pool = asyncpg.create_pool(
                min_size=0,
                max_size=self._size,
                max_inactive_connection_lifetime=_RECYCLE,
                init=_read_json,
                reset=_keep,
                record_class=Row,
                **self._options,
            )
            self._pool = pool
            await pool
        return self._pool


def open_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int = 4,
    synchronous_commit: bool = True,
    plans: Plans = Plans.FRESH,
) -> Engine:
    """Open a pool of connections. Nothing connects before the first statement.

    Args:
        url: `postgresql://user:password@host:port/database`; query parameters go to asyncpg.
        application_name: shown in `pg_stat_activity`.
        pool_size: the most connections that are held open.
        synchronous_commit: False only where every commit can be derived again (dispatch marks, heartbeats).
        plans: when statements are planned.
    """
    settings = {
        "application_name": application_name,
        "jit": "off",
        "plan_cache_mode": plans.value,
        **(_ONE_WAY if plans is Plans.KEPT else {}),
        "synchronous_commit": "on" if synchronous_commit else "off",
        "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
        "idle_in_transaction_session_timeout": "60000",
        "timezone": "UTC",
    }
    options = {"dsn": url, "timeout": _CONNECT, "server_settings": settings, "max_cached_statement_lifetime": 0}
    return Engine(pool_size, options)


async def _read_json(driver: Any) -> None:
    """Let documents come back as what they are; they are sent as text."""
    await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)


async def _keep(_: Any) -> None:
    """Give a connection back as it is: nothing of ours outlives its transaction, and asking costs a round trip."""


def _touched(status: str) -> int:
    """Return how many rows a statement touched, from its command tag."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _is_open(driver: Any) -> bool:
    try:
        return not driver.is_closed()
    except asyncpg.InterfaceError:  # it has ended, and the pool has taken it back
        return False


def _cut(driver: Any) -> None:
    if _is_open(driver):
        driver.terminate()
