"""PostgreSQL for development and tests: its own data directory, loopback only, with a password."""

import contextlib
import functools
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg

from tidewheel_cli.embedded.binaries import postgres_binary
from tidewheel_cli.embedded.files import kept, private_directory, write_private
from tidewheel_cli.embedded.identity import choose_identity, give
from tidewheel_cli.embedded.ports import LOOPBACK, free_ports
from tidewheel_cli.embedded.predecessor import until_predecessor_ended
from tidewheel_cli.embedded.program import Program, Server, finish, running
from tidewheel_cli.errors import CannotStart

_USER = "tidewheel"
_DATABASE = "tidewheel"
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "autovacuum": "on",
    "autovacuum_naptime": "10s",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


async def prepare_postgres(state_dir: Path, *, log: Path | None = None, durable: bool = True) -> Server:
    """Make the data directory unless it exists, and say how to start PostgreSQL on it.

    Args:
        state_dir: keeps the data and the password; nobody else may use it at the same time.
        log: receives what PostgreSQL prints; by default `postgres.log` in the state directory.
        durable: False turns fsync off: for data that may be lost with the machine.

    Raises:
        CannotStart: there are no binaries, no identity to run under, or the data are of another version.
    """
    state_dir = private_directory(state_dir)
    log = log or state_dir / "postgres.log"
    data = state_dir / "postgres"
    password = kept(state_dir / "secrets" / "postgres", functools.partial(secrets.token_urlsafe, 32))
    identity = _identity(state_dir)
    if not data.exists():
        await _create(data, password=password, identity=identity, log=log, durable=durable)
    _check_version(data)
    await until_predecessor_ended(data / "postmaster.pid", data)
    give(data, identity)
    (port,) = free_ports(1)
    settings = _SETTINGS | _compression() | ({} if durable else _NOT_DURABLE)
    return Server(
        url=f"postgresql://{_USER}:{password}@{LOOPBACK}:{port}/{_DATABASE}",
        program=Program(
            name="postgres",
            command=(
                *(str(postgres_binary("postgres")), "-D", str(data), "-p", str(port)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ),
            environment=_ENVIRONMENT,
            log=log,
            ready=functools.partial(_ready, port, password, data),
            identity=identity,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            death_signal=signal.SIGINT,
            grace=20.0,
        ),
    )


@contextlib.asynccontextmanager
async def embedded_postgres(state_dir: Path, *, durable: bool = True) -> AsyncIterator[str]:
    """Run PostgreSQL on a state directory and give its URL. See `prepare_postgres`."""
    server = await prepare_postgres(state_dir, durable=durable)
    async with running(server.program):
        yield server.url


def _identity(state_dir: Path) -> str:
    binary = postgres_binary("postgres")
    identity = choose_identity((binary, state_dir))
    if identity.startswith("user:"):
        state_dir.chmod(0o711)  # to be entered, not listed; what is in it stays private
    return identity


async def _create(data: Path, *, password: str, identity: str, log: Path, durable: bool) -> None:
    new = data.with_name("postgres.new")  # renamed when it is complete, so that a crash leaves no half of a cluster
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    give(new, identity)
    with _password_file(data.with_name("postgres.password"), password, identity) as password_file:
        await finish(
            Program(
                name="initdb",
                command=(
                    *(str(postgres_binary("initdb")), "-D", str(new), f"--username={_USER}"),
                    *("--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"),
                    *(() if durable else ("--no-sync",)),
                ),
                environment=_ENVIRONMENT,
                log=log,
                identity=identity,
            )
        )
    new.rename(data)


@contextlib.contextmanager
def _password_file(path: Path, password: str, identity: str) -> Iterator[Path]:
    write_private(path, password)
    try:
        give(path, identity)
        yield path
    finally:
        path.unlink()


async def _ready(port: int, password: str, data: Path) -> bool:
    """Tell whether PostgreSQL answers; make our database when it is not there yet."""
    try:
        connection = await asyncpg.connect(
            host=LOOPBACK, port=port, user=_USER, password=password, database="postgres", ssl=False, timeout=5
        )
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
        return False
    except asyncpg.InvalidPasswordError:
        raise CannotStart(
            f"The password in {data.parent / 'secrets' / 'postgres'} is not that of {data}: put the old one back, "
            "or remove both to begin with an empty database."
        ) from None
    try:
        if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", _DATABASE):
            await connection.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await connection.close()
    return True


@functools.cache
def _compression() -> dict[str, str]:
    """Return the setting that makes WAL smaller, when this PostgreSQL was built for it."""
    configured = subprocess.run(  # noqa: S603 - a binary of the wheel
        (str(postgres_binary("pg_config")), "--configure"), check=True, capture_output=True, text=True
    ).stdout
    return {"wal_compression": "lz4"} if "--with-lz4" in configured else {}


def _check_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    ours = postgres_binary("postgres").parents[1].name.removeprefix("pginstall")
    if version != ours:
        raise CannotStart(
            f"{data} was made by PostgreSQL {version}, and this is {ours}: use the version of Tidewheel that made it, "
            "or another --state-dir."
        )
