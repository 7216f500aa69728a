"""Starts a cluster, and stops it."""

import asyncio
import functools
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from tests.chaos import ledger
from tests.chaos.clocks import Clocks
from tests.chaos.cluster import CLIENT_LINK, VALKEYS, Cluster, Shape, Store
from tests.chaos.disk import SmallDisk, small_disk
from tests.chaos.proxy import Proxy, open_proxy

from tidewheel_cli.dev.credentials import new_api_key, new_key_ring
from tidewheel_cli.dev.crew import Crew
from tidewheel_cli.dev.guard import guarded
from tidewheel_cli.dev.readiness import is_ready
from tidewheel_cli.embedded.files import kept
from tidewheel_cli.embedded.identity import give
from tidewheel_cli.embedded.ports import LOOPBACK, free_ports
from tidewheel_cli.embedded.postgres import prepare_postgres
from tidewheel_cli.embedded.program import Program, Server, finish
from tidewheel_cli.embedded.valkey import prepare_valkey

_REPOSITORY = Path(__file__).parents[2]
_CLOCK = Path(__file__).with_name("clock.sql")
_AUDIT = Path(__file__).with_name("audit.sql")


@asynccontextmanager
async def running_cluster(directory: Path, shape: Shape) -> AsyncIterator[Cluster]:
    """Run a cluster for as long as the block lasts; the block begins when all of it is ready."""
    deaths: list[str] = []
    async with AsyncExitStack() as stack:
        directory.mkdir(parents=True, exist_ok=True)
        disk = stack.enter_context(small_disk(directory / "disk", wanted=shape.machine))
        crew = await _crew(stack, shape, deaths)
        logs = directory / "logs"
        postgres = await prepare_postgres(directory / "state", log=logs / "postgres.log")
        valkeys = await _prepare_valkeys(directory, logs)
        await crew.employ_all((postgres.program, *(server.program for server in valkeys.values())))
        clocks = Clocks(directory / "clocks", wanted=shape.machine)
        keys = {"alpha": new_api_key(), "beta": new_api_key()}
        common = _environment(directory, shape, keys["alpha"])
        await _prepare_database(postgres, disk, common, logs)
        ports = dict(zip(shape.services, free_ports(len(shape.services)), strict=True))
        primary = valkeys[VALKEYS[0]]
        links = await _open_links(stack, shape, ports, postgres, primary)
        programs = [
            _service(name, {**common, **clocks.environment(name)}, port, logs,
                     postgres=_through(postgres.url, links, name, "postgres"),
                     redis=_through(primary.url, links, name, "redis"))
            for name, port in ports.items()
        ]  # fmt: skip
        await crew.employ_all(programs)
        await _add_tenant(postgres.url, "beta", keys["beta"])
        yield Cluster(
            directory=directory,
            shape=shape,
            database_url=postgres.url,
            stores={name: _store(directory, name, server.url) for name, server in valkeys.items()},
            api_keys=keys,
            links=links,
            crew=crew,
            ready_ports=ports,
            deaths=deaths,
            clocks=clocks,
            disk=disk,
        )


async def _crew(stack: AsyncExitStack, shape: Shape, deaths: list[str]) -> Crew:
    crew = Crew(
        stop_order=(*shape.services, *VALKEYS, "postgres"),
        report=deaths.append,
        changed=lambda: None,
        guard=await stack.enter_async_context(guarded()),
        hurry=asyncio.Event(),
    )
    stack.push_async_callback(crew.stop)
    return crew


async def _prepare_valkeys(directory: Path, logs: Path) -> dict[str, Server]:
    """Prepare both Valkeys, with one password: the services know only one address."""
    found: dict[str, Server] = {}
    password = secrets.token_urlsafe(32)
    for name in VALKEYS:
        state = directory / "state" / name
        kept(state / "secrets" / "valkey", functools.partial(str, password))
        server = await prepare_valkey(state, log=logs / f"{name}.log")
        found[name] = replace(server, program=replace(server.program, name=name))
    return found


def _store(directory: Path, name: str, url: str) -> Store:
    return Store(url, _port(url), directory / "state" / name / "valkey" / "appendonlydir")


async def _open_links(
    stack: AsyncExitStack, shape: Shape, ports: Mapping[str, int], postgres: Server, valkey: Server
) -> dict[str, Proxy]:
    targets = {CLIENT_LINK: ports["gateway"]}
    for service in shape.services:
        targets[f"{service}-postgres"] = _port(postgres.url)
        targets[f"{service}-redis"] = _port(valkey.url)
    return {name: await stack.enter_async_context(open_proxy(name, port)) for name, port in targets.items()}


def _environment(directory: Path, shape: Shape, api_key: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(_REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "CHAOS_LEDGER": str(directory / "ledger"),
        "CHAOS_EPOCH": repr(ledger.epoch()),
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
    return Program(
        name=name,
        command=(sys.executable, "-m", f"tidewheel_{kind}"),
        environment={
            **common,
            "CHAOS_PROCESS": name,
            "TIDEWHEEL_DATABASE_URL": postgres,
            "TIDEWHEEL_REDIS_URL": redis,
            "TIDEWHEEL_PORT" if kind == "gateway" else "TIDEWHEEL_HEALTH_PORT": str(port),
        },
        log=logs / f"{name}.log",
        grace=30.0,
        ready=functools.partial(is_ready, port),
    )


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(url: str, links: Mapping[str, Proxy], service: str, store: str) -> str:
    parts = urlsplit(url)
    netloc = f"{parts.netloc.rpartition(':')[0]}:{links[f'{service}-{store}'].port}"
    return parts._replace(netloc=netloc).geturl()


async def _prepare_database(postgres: Server, disk: SmallDisk, common: Mapping[str, str], logs: Path) -> None:
    """Make the tables, on the small disk if there is one, with a clock that can be moved and the rig's trail."""
    name = urlsplit(postgres.url).path.removeprefix("/")
    await _execute(postgres.url, _CLOCK.read_text(encoding="utf-8"))
    await _execute(postgres.url, f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    if not disk.missing:
        give(disk.path, postgres.program.identity)
        await _execute(postgres.url, f"CREATE TABLESPACE small LOCATION '{disk.path}'")
        await _execute(postgres.url, f"ALTER DATABASE {name} SET default_tablespace = small")
    migration = Program(
        name="migrate",
        command=(sys.executable, "-m", "tidewheel_common.store.migrate"),
        environment={**common, "TIDEWHEEL_DATABASE_URL": postgres.url},
        log=logs / "migrate.log",
    )
    await finish(migration)
    await _execute(postgres.url, _AUDIT.read_text(encoding="utf-8"))


async def _execute(database_url: str, sql: str, *arguments: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


async def _add_tenant(database_url: str, name: str, api_key: str) -> None:
    _, key_id, secret = api_key.split("_", 2)
    await _execute(
        database_url,
        "WITH made AS (INSERT INTO tenants (id, name) VALUES (gen_random_uuid(), $1) RETURNING id) "
        "INSERT INTO api_keys (id, tenant_id, name, secret_hash) "
        "SELECT $2, id, 'chaos', sha256(convert_to($3, 'UTF8')) FROM made",
        *(name, key_id, secret),
    )
