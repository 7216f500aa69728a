"""The one way to Redis for everything but the Celery transport."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

__all__ = ["TRANSIENT", "Redis", "open_redis"]

TRANSIENT: tuple[type[BaseException], ...] = (RedisError, OSError, TimeoutError)
"""What a lost, restarting, loading or full Redis raises; a loop waits and tries again."""


def open_redis(url: str, *, client_name: str, pool_size: int = 4) -> Redis:
    """Open a pool of connections; nothing connects before the first command. Replies are bytes.

    Args:
        url: `redis://` or `rediss://` with password, host, port and database.
        client_name: shown in `CLIENT LIST`.
        pool_size: the most connections that are held open.
    """
    # redis-py waits 5 s on a socket by default; a subscriber waits as long as there is nothing to hear.
    return Redis.from_url(
        url,
        client_name=client_name,
        max_connections=pool_size,
        socket_timeout=None,
        socket_connect_timeout=5.0,
        socket_keepalive=True,
        health_check_interval=15,
    )
