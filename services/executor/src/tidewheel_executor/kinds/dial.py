"""Connects to hosts: each name is looked up once, all it stands for is checked, and one of just these is connected to.

The check stands where the socket opens, so that redirects and new connections pass it too, and a name that leads
somewhere else a moment later gains nothing. TLS and `Host` keep to the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from httpcore2 import (
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
)

from tidewheel_executor.kinds.kind import Impossible
from tidewheel_executor.kinds.reach import Address, Reach, read_address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Return all addresses that a host's name stands for.

    Raises:
        OSError: there are none, or nobody can say.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [read_address(str(address[0])) for *_, address in found]


class Dialler(AsyncNetworkBackend):
    """Opens connections to what may be reached.

    Args:
        reach: what may be.
        look_up: resolves names.
    """

    def __init__(self, reach: Reach, look_up: Resolve = resolve) -> None:
        self._reach = reach
        self._look_up = look_up
        self._tcp = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the interface has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address of a host that answers.

        Raises:
            Impossible: one of its addresses may not be reached.
            ConnectError, ConnectTimeout: none answers.
        """
        try:
            addresses = await self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"The name {host} cannot be resolved.") from error
        self._reach.check(host, addresses)
        failed: ConnectError | ConnectTimeout = ConnectError(f"The name {host} has no address.")
        for address in addresses:
            try:
                return await self._tcp.connect_tcp(
                    str(address), port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (ConnectError, ConnectTimeout) as error:
                failed = error
        raise failed

    async def connect_unix_socket(self, path: str, *_: object, **__: object) -> AsyncNetworkStream:
        """Refuse: no address leads there.

        Raises:
            Impossible: always.
        """
        raise Impossible(f"No task may reach {path}.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
