"""Asks a process whether it is ready, without an HTTP client that would have to be imported first."""

import asyncio

from tidewheel_cli.embedded.ports import LOOPBACK

_TIMEOUT = 5.0  # seconds


async def is_ready(port: int) -> bool:
    """Tell whether `GET /readyz` on a port of this machine answers 200."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
