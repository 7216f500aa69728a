"""The system under test: real processes on servers of their own, every link through a proxy."""

import asyncio
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from tests.chaos.proxy import Proxy, open_proxy

from tidewheel_cli.dev.credentials import new_api_key, new_key_ring
from tidewheel_cli.dev.crew import Crew
from tidewheel_cli.dev.guard import guarded
from tidewheel_cli.dev.readiness import is_ready
from tidewheel_cli.embedded.ports import LOOPBACK, free_ports
from tidewheel_cli.embedded.postgres import prepare_postgres
from tidewheel_cli.embedded.program import Program, finish
from tidewheel_cli.embedded.valkey import prepare_valkey

_REPOSITORY = Path(__file__).parents[2]
_AUDIT = Path(__file__).with_name("audit.sql")

CLIENT_LINK = "client-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many of what, and with which settings.

    Attributes:
        executors: how many there are.
        concurrency: children of each.
        settings: environment variables for the services.
    """

    executors: int = 2
    concurrency: int = 2
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """Their names, in the order in which they are stopped."""
        return ("gateway", "scheduler", "dispatcher", *(f"executor-{n + 1}" for n in range(self.executors)), "reaper")


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A running cluster.

    Attributes:
        database_url: PostgreSQL itself, past every proxy; for the rig.
        redis_url: Valkey itself.
        api_keys: of each tenant.
        links: the proxies by name, `<service>-postgres`, `<service>-redis` and `client-gateway`.
        deaths: what the supervisor has said of processes that ended.
    """

    directory: Path
    shape: Shape
    database_url: str
    redis_url: str
    api_keys: Mapping[str, str]
    links: Mapping[str, Proxy]
    crew: Crew
    ready_ports: Mapping[str, int]
    deaths: list[str]

    @property
    def api_url(self) -> str:
        """Where clients submit: the proxy in front of the gateway."""
        return f"http://{LOOPBACK}:{self.links[CLIENT_LINK].port}"

    @property
    def ledger(self) -> Path:
        """What the handlers really did."""
        return self.directory / "ledger"

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.directory / "logs"

    @property
    def valkey_files(self) -> Path:
        """Valkey's append-only files."""
        return self.directory / "state" / "valkey" / "appendonlydir"

    def pid(self, name: str) -> int:
        """The process id of a service, of `postgres` or of `valkey`."""
        return self.crew.pids[name]

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process; one that has just died is none."""
        try:
            os.kill(self.pid(name), number)
        except ProcessLookupError:
            return

    def send_group(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        try:
            os.killpg(self.pid(name), number)
        except ProcessLookupError:
            return

    def children(self, name: str) -> list[int]:
        """The process ids of a service's children, in order."""
        pid = self.pid(name)
        try:
            return sorted(int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except FileNotFoundError:
            return []

    async def is_whole(self) -> bool:
        """Tell whether every service is ready."""
        return all(await asyncio.gather(*(is_ready(port) for port in self.ready_ports.values())))


@asynccontextmanager
async def running_cluster(directory: Path, shape: Shape) -> AsyncIterator[Cluster]:
    """Run a cluster for as long as the block lasts; the block begins when all of it is ready."""
    deaths: list[str] = []
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(guarded())
        crew = Crew(
            stop_order=(*shape.services, "valkey", "postgres"),
            report=deaths.append,
            changed=lambda: None,
            guard=guard,
            hurry=asyncio.Event(),
        )
        stack.push_async_callback(crew.stop)
        state, logs = directory / "state", directory / "logs"
        postgres = await prepare_postgres(state, log=logs / "postgres.log")
        valkey = await prepare_valkey(state, log=logs / "valkey.log")
        await crew.employ_all((postgres.program, valkey.program))
        ports = dict(zip(shape.services, free_ports(len(shape.services)), strict=True))
        targets = {CLIENT_LINK: ports["gateway"]}
        for service in shape.services:
            targets[f"{service}-postgres"] = _port(postgres.url)
            targets[f"{service}-redis"] = _port(valkey.url)
        links = {name: await stack.enter_async_context(open_proxy(name, port)) for name, port in targets.items()}
        keys = {"alpha": new_api_key(), "beta": new_api_key()}
        common = _environment(directory, shape, keys["alpha"])
        migration = {**common, "TIDEWHEEL_DATABASE_URL": postgres.url, "TIDEWHEEL_REDIS_URL": valkey.url}
        await finish(_program("migrate", "tidewheel_common.store.migrate", migration, logs))
        await _audit(postgres.url)
        programs = [
            _service(name, common, port, logs, postgres=_through(postgres.url, links, name, "postgres"),
                     redis=_through(valkey.url, links, name, "redis"))
            for name, port in ports.items()
        ]  # fmt: skip
        await crew.employ_all(programs)
        await _add_tenant(postgres.url, "beta", keys["beta"])
        yield Cluster(
            directory=directory,
            shape=shape,
            database_url=postgres.url,
            redis_url=valkey.url,
            api_keys=keys,
            links=links,
            crew=crew,
            ready_ports=ports,
            deaths=deaths,
        )


def _environment(directory: Path, shape: Shape, api_key: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(_REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "CHAOS_LEDGER": str(directory / "ledger"),
        "TIDEWHEEL_KEYS": new_key_ring(),
        "TIDEWHEEL_BOOTSTRAP_API_KEY": api_key,
        "TIDEWHEEL_HANDLERS": "tests.chaos.handlers",
        "TIDEWHEEL_CONCURRENCY": str(shape.concurrency),
        "TIDEWHEEL_HEALTH_HOST": LOOPBACK,
        "TIDEWHEEL_HOST": LOOPBACK,
        **shape.settings,
    }


def _service(name: str, common: Mapping[str, str], port: int, logs: Path, *, postgres: str, redis: str) -> Program:
    kind = name.partition("-")[0]
    place = "TIDEWHEEL_PORT" if kind == "gateway" else "TIDEWHEEL_HEALTH_PORT"
    environment = {**common, "TIDEWHEEL_DATABASE_URL": postgres, "TIDEWHEEL_REDIS_URL": redis, place: str(port)}
    return _program(name, f"tidewheel_{kind}", environment, logs, port=port, grace=30.0)


def _program(
    name: str, module: str, environment: Mapping[str, str], logs: Path, *, port: int = 0, grace: float = 10.0
) -> Program:
    command = (sys.executable, "-m", module)
    log = logs / f"{name}.log"
    if port:
        ready = functools.partial(is_ready, port)
        return Program(name=name, command=command, environment=environment, log=log, grace=grace, ready=ready)
    return Program(name=name, command=command, environment=environment, log=log, grace=grace)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(url: str, links: Mapping[str, Proxy], service: str, store: str) -> str:
    parts = urlsplit(url)
    netloc = f"{parts.netloc.rpartition(':')[0]}:{links[f'{service}-{store}'].port}"
    return parts._replace(netloc=netloc).geturl()


async def _audit(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_AUDIT.read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def _add_tenant(database_url: str, name: str, api_key: str) -> None:
    _, key_id, secret = api_key.split("_", 2)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "WITH made AS (INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), $1) RETURNING id) "
            "INSERT INTO api_keys (id, tenant_id, name, secret_hash) "
            "SELECT $2, id, 'chaos', sha256(convert_to($3, 'UTF8')) FROM made",
            *(name, key_id, secret),
        )
    finally:
        await connection.close()
