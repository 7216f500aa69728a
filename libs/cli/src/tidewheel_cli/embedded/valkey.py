"""Valkey for development and tests: append-only file, loopback only, with a password."""

import asyncio
import contextlib
import functools
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from tidewheel_cli.embedded.binaries import valkey_binary
from tidewheel_cli.embedded.files import kept, private_directory, write_private
from tidewheel_cli.embedded.ports import LOOPBACK, free_ports
from tidewheel_cli.embedded.predecessor import until_predecessor_ended
from tidewheel_cli.embedded.program import Program, Server, running

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{directory}"
daemonize no
pidfile "{directory}/valkey.pid"
save ""
appendonly {appendonly}
appendfsync everysec
maxmemory-policy noeviction
"""


async def prepare_valkey(state_dir: Path, *, log: Path | None = None, durable: bool = True) -> Server:
    """Write the configuration and say how to start Valkey with it.

    Args:
        state_dir: keeps the data and the password; nobody else may use it at the same time.
        log: receives what Valkey prints; by default `valkey.log` in the state directory.
        durable: False keeps everything in memory only.

    Raises:
        CannotStart: there is no binary.
    """
    state_dir = private_directory(state_dir)
    data = private_directory(state_dir / "valkey")
    await until_predecessor_ended(data / "valkey.pid", data)
    password = kept(state_dir / "secrets" / "valkey", functools.partial(secrets.token_urlsafe, 32))
    (port,) = free_ports(1)
    configuration = data / "valkey.conf"  # a password on the command line could be read by every user
    write_private(
        configuration,
        _CONFIGURATION.format(
            host=LOOPBACK, port=port, password=password, directory=data, appendonly="yes" if durable else "no"
        ),
    )
    return Server(
        url=f"redis://:{password}@{LOOPBACK}:{port}/0",
        program=Program(
            name="valkey",
            command=(str(valkey_binary()), str(configuration)),
            environment={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            log=log or state_dir / "valkey.log",
            ready=functools.partial(_ready, port, password),
            death_signal=signal.SIGTERM,  # it writes its file to the end
        ),
    )


@contextlib.asynccontextmanager
async def embedded_valkey(state_dir: Path, *, durable: bool = True) -> AsyncIterator[str]:
    """Run Valkey on a state directory and give its URL. See `prepare_valkey`."""
    server = await prepare_valkey(state_dir, durable=durable)
    async with running(server.program):
        yield server.url


async def _ready(port: int, password: str) -> bool:
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(f"AUTH {password}\r\nPING\r\n".encode())
                return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
