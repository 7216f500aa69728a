"""A connection that the peer resets in the very moment of a write counts as lost, on uvloop too."""

from collections.abc import Iterable

import pytest
from redis.asyncio import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from tidewheel_common.store.errors import is_transient
from tidewheel_common.streams.client import open_redis

SAID = "unable to perform operation on <TCPTransport closed=True reading=False 0x55ac75e64e90>; the handler is closed"
"""What uvloop says; measured by the rig of tests/chaos."""


class Closed:
    """A writer whose connection was reset a moment ago."""

    def writelines(self, _: Iterable[bytes]) -> None:
        raise RuntimeError(SAID)

    def close(self) -> None:
        """Be closed already."""


def test_what_uvloop_says_of_a_closed_connection_to_postgresql_is_transient() -> None:
    assert is_transient(RuntimeError(SAID))
    assert not is_transient(RuntimeError("Event loop is closed"))


async def test_what_uvloop_says_of_a_closed_connection_to_redis_is_a_lost_connection() -> None:
    redis = open_redis("redis://127.0.0.1:1/0", client_name="test")
    connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it so
    connection._reader, connection._writer = object(), Closed()

    with pytest.raises(RedisConnectionError, match="handler is closed"):
        await connection.send_packed_command([b"PING"], check_health=False)

    assert not connection.is_connected
    await redis.aclose()


async def test_tls_stays_tls() -> None:
    redis = open_redis("rediss://127.0.0.1:1/0", client_name="test")

    made = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it so
    assert isinstance(made, SSLConnection)
    await redis.aclose()
