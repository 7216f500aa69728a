"""A whole Tidewheel in processes of its own, whose servers and services a test stops, kills and starts as it likes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from redis.asyncio import Redis
from tests.gateway import KEY
from tests.support import wait_until

from tidewheel_cli.embedded.ports import free_ports
from tidewheel_cli.embedded.postgres import prepare_postgres
from tidewheel_cli.embedded.program import Server, running
from tidewheel_cli.embedded.valkey import prepare_valkey
from tidewheel_common.store.migrate import upgrade

SERVICES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")
KEYS = "k1:" + "A" * 43
START = 40.0
"""Seconds that anything may take to start, on a busy machine."""


@dataclass
class Power:
    """A server that can be switched off and on."""

    server: Server
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def on(self) -> None:
        await self._running.enter_async_context(running(self.server.program))

    async def off(self) -> None:
        await self._running.aclose()


@dataclass
class Cluster:
    """The processes, and the ways to look at them."""

    postgres: Power
    valkey: Power
    directory: Path
    environment: dict[str, str]
    port: int
    http: httpx2.AsyncClient
    redis: Redis
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, *services: str) -> None:
        """Start services, and wait until each has begun its work."""
        for name in services:
            with (self.directory / f"{name}.log").open("ab") as sink:
                self.processes[name] = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", f"tidewheel_{name.split('-', 1)[0]}"),
                    env=self.environment,
                    stdout=sink,
                    stderr=asyncio.subprocess.STDOUT,
                )
        for name in services:
            await wait_until(partial(self._begun, name), timeout=START, what=f"the start of {name}")

    async def _begun(self, name: str) -> bool:
        assert self.processes[name].returncode is None, self.log(name)
        if name == "gateway":
            with suppress(httpx2.TransportError):
                return (await self.http.get("/readyz")).status_code == 200
            return False
        if name.startswith("executor"):
            return "ready." in self.log(name)
        return "process started" in self.log(name)

    async def stop(self, name: str, number: signal.Signals = signal.SIGTERM, *, patience: float = 30.0) -> int:
        """Ask a service to end, or kill it, and return its exit code."""
        process = self.processes.pop(name)
        if process.returncode is None:
            process.send_signal(number)
        return await asyncio.wait_for(process.wait(), patience)

    async def submit(self, handler: str = "demo.noop", count: int = 1, **fields: Any) -> list[str]:
        """Submit tasks that must be accepted."""
        body = {"tasks": [{"handler": handler, **fields}] * count}
        answer = await self.http.post("/v1/tasks:batch", json=body)
        assert answer.status_code == 201, answer.text
        return [result["id"] for result in answer.json()["results"]]

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Look into the database."""
        connection = await asyncpg.connect(self.postgres.server.url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def states(self) -> dict[str, int]:
        """Count the tasks by state."""
        return {row[0]: row[1] for row in await self.fetch("SELECT state, count(*) FROM tasks GROUP BY 1")}

    async def until_states(self, *, timeout: float = START, **expected: int) -> None:
        """Wait until the tasks are in these states, and in no other."""
        last: dict[str, int] = {}

        async def so() -> bool:
            last.clear()
            with suppress(OSError, asyncpg.PostgresError):
                last.update(await self.states())
            return last == expected

        try:
            await wait_until(so, timeout=timeout)
        except AssertionError:
            raise AssertionError(f"expected {expected}, found {last}\n{self.log('executor')[-3000:]}") from None

    def log(self, name: str) -> str:
        """Return what a service has printed."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, names: Iterable[str] = SERVICES) -> list[dict[str, Any]]:
        """Return the log lines of services, those that are JSON."""
        found = []
        for name in names:
            for line in self.log(name).splitlines():
                with suppress(ValueError):
                    found.append({"service_name": name, **json.loads(line)})
        return found

    def complaints(self) -> list[str]:
        """Return what no fault may bring out: errors and tracebacks."""
        loud = [str(line) for line in self.lines() if line.get("level") in {"error", "critical"}]
        return loud + [name for name in SERVICES if "Traceback" in self.log(name)]

    def dead(self) -> list[str]:
        """Return the services that have ended by themselves."""
        return [name for name, process in self.processes.items() if process.returncode is not None]


@asynccontextmanager
async def cluster(
    directory: Path,
    *,
    services: tuple[str, ...] = SERVICES,
    postgres_settings: Mapping[str, str] | None = None,
    **settings: str,
) -> AsyncIterator[Cluster]:
    """Start servers and services, and end them all. PostgreSQL always ends by an immediate stop, like a crash."""
    async with AsyncExitStack() as stack:
        postgres = Power(await prepare_postgres(directory / "postgres", durable=False))
        more = [part for pair in (postgres_settings or {}).items() for part in ("-c", "=".join(pair))]
        program = postgres.server.program
        program = replace(program, stop_signal=signal.SIGQUIT, command=(*program.command, *more))
        postgres.server = replace(postgres.server, program=program)
        valkey = Power(await prepare_valkey(directory / "valkey", durable=False))
        for power in (postgres, valkey):
            await power.on()
            stack.push_async_callback(power.off)
        await upgrade(postgres.server.url)
        (port,) = free_ports(1)
        http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {KEY.text}"}, timeout=30
        )
        await stack.enter_async_context(http)
        redis = Redis.from_url(valkey.server.url)
        stack.push_async_callback(redis.aclose)
        environment = {
            "PATH": os.defpath,
            "TMPDIR": str(directory),
            "TIDEWHEEL_DATABASE_URL": postgres.server.url,
            "TIDEWHEEL_REDIS_URL": valkey.server.url,
            "TIDEWHEEL_KEYS": KEYS,
            "TIDEWHEEL_BOOTSTRAP_API_KEY": KEY.text,
            "TIDEWHEEL_PORT": str(port),
            "TIDEWHEEL_HEALTH_PORT": "0",
            "TIDEWHEEL_CONCURRENCY": "3",
            **settings,
        }
        made = Cluster(
            postgres=postgres,
            valkey=valkey,
            directory=directory,
            environment=environment,
            port=port,
            http=http,
            redis=redis,
        )
        stack.push_async_callback(_end, made)
        await made.start(*services)
        yield made


async def _end(made: Cluster) -> None:
    for process in made.processes.values():
        if process.returncode is None:
            process.kill()
        await process.wait()
