"""The one way to Redis for everything but the Celery transport."""

import asyncio
from collections.abc import Iterable

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

__all__ = ["TRANSIENT", "Redis", "open_redis", "refuses_writes"]

TRANSIENT: tuple[type[BaseException], ...] = (RedisError, OSError, TimeoutError)
"""What a lost, restarting, loading or full Redis raises; a loop waits and tries again."""

ANSWER = 5.0
"""Seconds in which Redis answers; a thousand hints take it some milliseconds."""

_REFUSALS = ("OOM ", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN")


def refuses_writes(error: BaseException) -> bool:
    """Tell whether Redis is there but takes no writes: it is full, a replica, or its disk or its replicas failed it.

    That is back-pressure: whoever meets it waits, and keeps what it has.
    """
    if isinstance(error, OutOfMemoryError | ReadOnlyError):
        return True
    return isinstance(error, ResponseError) and any(sign in str(error) for sign in _REFUSALS)


class _Connection(Connection):
    """Writes without making a task of each write, as redis-py's own does on Python 3.11 (`asyncio.wait_for`)."""

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Send a command, on a new connection when there is none.

        Raises:
            ConnectionError: the connection was lost; uvloop says RuntimeError where a peer has just reset it.
            TimeoutError: Redis does not even read.
        """
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command(_parts(command))
        except BaseException as error:
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("Redis does not read what is sent to it.") from error
            if isinstance(error, OSError) or _says_closed(error):
                raise RedisConnectionError(f"Writing to Redis failed: {error}") from error
            raise


def _says_closed(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "handler is closed" in str(error)


def _parts(command: bytes | str | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(command, str):
        command = command.encode()
    return [command] if isinstance(command, bytes) else command


class _SslConnection(_Connection, SSLConnection):
    """The same, over TLS."""


def open_redis(url: str, *, client_name: str, pool_size: int = 4, timeout: float = ANSWER) -> Redis:
    """Open a pool of connections; nothing connects before the first command. Replies are bytes.

    Args:
        url: `redis://` or `rediss://` with password, host, port and database.
        client_name: shown in `CLIENT LIST`.
        pool_size: the most connections that are held open.
        timeout: seconds to wait for an answer; then the connection counts as lost.
    """
    # Bounded, because a silent partition never answers; a `Listener` says itself how long it waits for a message.
    redis = Redis.from_url(
        url,
        client_name=client_name,
        max_connections=pool_size,
        socket_timeout=timeout,
        socket_connect_timeout=5.0,
        socket_keepalive=True,
        health_check_interval=15,
        # After a failover an open connection may lead to what is a replica now: the next try opens a new one.
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[ReadOnlyError],
    )
    pool = redis.connection_pool
    pool.connection_class = _SslConnection if issubclass(pool.connection_class, SSLConnection) else _Connection
    return redis
