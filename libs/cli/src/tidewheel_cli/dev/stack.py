"""Brings a whole stack up: servers, schema, services; and down again."""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidewheel_cli.dev.address import Bulletin, Stack
from tidewheel_cli.dev.blueprint import TIDEWHEEL, Blueprint, Service
from tidewheel_cli.dev.credentials import new_api_key, new_key_ring
from tidewheel_cli.dev.crew import Crew
from tidewheel_cli.dev.guard import guarded
from tidewheel_cli.dev.logs import rotate
from tidewheel_cli.dev.options import Options
from tidewheel_cli.dev.readiness import is_ready
from tidewheel_cli.embedded.files import held, kept, private_directory
from tidewheel_cli.embedded.ports import LOOPBACK, free_ports, is_taken
from tidewheel_cli.embedded.postgres import prepare_postgres
from tidewheel_cli.embedded.program import Program, Server, finish
from tidewheel_cli.embedded.valkey import prepare_valkey
from tidewheel_cli.errors import CannotStart
from tidewheel_cli.waiting import together

_SERVERS = ("valkey", "postgres")
"""Stopped after the services, in this order."""

_DATABASE_URL = "TIDEWHEEL_DATABASE_URL"
_REDIS_URL = "TIDEWHEEL_REDIS_URL"
_KEYS = "TIDEWHEEL_KEYS"
_API_KEY = "TIDEWHEEL_BOOTSTRAP_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """A stack that is ready.

    Attributes:
        address: where it is.
        until_broken: waits until a part of it can no longer be kept running, and raises why.
    """

    address: Stack
    until_broken: Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def running_stack(
    options: Options,
    *,
    report: Callable[[str], None],
    blueprint: Blueprint = TIDEWHEEL,
    hurry: asyncio.Event | None = None,
) -> AsyncIterator[RunningStack]:
    """Run a stack for as long as the block lasts; the block begins when all of it is ready.

    Args:
        options: what to start it with.
        report: receives a text for people when a process has died.
        blueprint: what it is made of.
        hurry: once set, processes are killed instead of being given time to end.

    Raises:
        CannotStart: the port is taken, another stack holds the state directory, or a part did not become ready.
    """
    state_dir = private_directory(options.state_dir)
    with held(state_dir):
        port = _gateway_port(options.port)
        async with guarded() as guard:
            crew = Crew(
                stop_order=(*(service.name for service in blueprint.services), *_SERVERS),
                report=report,
                changed=lambda: bulletin.publish(crew.pids),
                guard=guard,
                hurry=hurry or asyncio.Event(),
            )
            bulletin = Bulletin(state_dir)
            try:
                environment = await _bring_up(crew, options, state_dir, blueprint, port)
                bulletin.stack = _address(environment, port, crew.pids)
                bulletin.publish(crew.pids)
                yield RunningStack(address=bulletin.stack, until_broken=crew.until_broken)
            finally:
                bulletin.withdraw()
                await crew.stop()


async def _bring_up(
    crew: Crew, options: Options, state_dir: Path, blueprint: Blueprint, port: int
) -> Mapping[str, str]:
    """Start servers, migrate, start services; return the environment that the services run in."""
    environment = _secrets(state_dir, options.environment) | await _employ_servers(crew, state_dir, options.environment)
    await finish(_migration(blueprint, environment, state_dir))
    await crew.employ_all(_services(blueprint, environment, state_dir, port=port, options=options))
    return environment


def _gateway_port(wanted: int) -> int:
    if wanted == 0:
        return free_ports(1)[0]
    if is_taken(wanted):
        raise CannotStart(f"Port {wanted} on {LOOPBACK} is taken: stop what listens there, or choose another --port.")
    return wanted


def _secrets(state_dir: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of all processes, with the keys that it lacks."""
    folder = state_dir / "secrets"
    return {
        **given,
        _KEYS: given.get(_KEYS) or kept(folder / "keys", new_key_ring),
        _API_KEY: given.get(_API_KEY) or kept(folder / "api_key", new_api_key),
        "PYTHONUNBUFFERED": "1",
    }


async def _employ_servers(crew: Crew, state_dir: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Start the servers that nobody has named; return the addresses of both."""
    urls = {name: given[name] for name in (_DATABASE_URL, _REDIS_URL) if given.get(name)}

    async def employ(setting: str, prepare: Callable[..., Awaitable[Server]], name: str) -> None:
        server = await prepare(state_dir, log=_fresh_log(state_dir, name))
        await crew.employ(server.program)
        urls[setting] = server.url

    missing = [
        employ(setting, prepare, name)
        for setting, prepare, name in (
            (_DATABASE_URL, prepare_postgres, "postgres"),
            (_REDIS_URL, prepare_valkey, "valkey"),
        )
        if setting not in urls
    ]
    await together(*missing)
    return urls


def _migration(blueprint: Blueprint, environment: Mapping[str, str], state_dir: Path) -> Program:
    return Program(
        name="migrate", command=blueprint.migrate, environment=environment, log=_fresh_log(state_dir, "migrate")
    )


def _services(
    blueprint: Blueprint, environment: Mapping[str, str], state_dir: Path, *, port: int, options: Options
) -> list[Program]:
    ports = free_ports(len(blueprint.services))
    # Handlers may submit tasks themselves.
    address = {"TIDEWHEEL_URL": f"http://{LOOPBACK}:{port}", "TIDEWHEEL_API_KEY": environment[_API_KEY]}
    return [
        _service(
            service,
            port=port if service.port_setting == "TIDEWHEEL_PORT" else free,
            environment={
                **environment,
                **address,
                "TIDEWHEEL_HANDLERS": options.all_handlers,
                "TIDEWHEEL_HOST": LOOPBACK,
            },
            log=_fresh_log(state_dir, service.name),
        )
        for service, free in zip(blueprint.services, ports, strict=True)
    ]


def _service(service: Service, *, port: int, environment: Mapping[str, str], log: Path) -> Program:
    return Program(
        name=service.name,
        command=service.command,
        environment={**environment, "TIDEWHEEL_HEALTH_HOST": LOOPBACK, service.port_setting: str(port)},
        log=log,
        ready=functools.partial(is_ready, port),
        grace=service.grace,
    )


def _address(environment: Mapping[str, str], port: int, pids: Mapping[str, int]) -> Stack:
    return Stack(
        api_url=f"http://{LOOPBACK}:{port}",
        api_key=environment[_API_KEY],
        database_url=environment[_DATABASE_URL],
        redis_url=environment[_REDIS_URL],
        pid=os.getpid(),
        services=pids,
    )


def _fresh_log(state_dir: Path, name: str) -> Path:
    log = private_directory(state_dir / "logs") / f"{name}.log"
    rotate(log)
    return log
