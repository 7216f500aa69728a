"""compose.yaml, started on an engine under a name, ports and secrets of its own."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.images.bases import FILES, Bases
from tests.deploy.images.built import SERVICES
from tests.deploy.images.engine import REPOSITORY, Compose, Engine
from tests.support import wait_until

from tidewheel_cli.embedded.ports import free_ports

CERTS = REPOSITORY / "deploy" / "compose" / "certs.py"

_PORTS = ("TIDEWHEEL", "TIDEWHEEL_HTTPS", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "FLOWER")
_SLOW = 180.0  # seconds; five processes start on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A running project of Compose.

    Attributes:
        private: the folder of its certificates and secrets.
        command: Compose, with its files.
        url: where the API is called.
        edge: where it is called through Traefik.
        watch: where each of those that watch answers.
        services: all that run.
    """

    engine: Engine
    project: str
    private: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str
    edge: str
    watch: Mapping[str, str]
    services: tuple[str, ...]

    @property
    def network(self) -> str:
        """The network of the stores."""
        return f"{self.project}_stores"

    @property
    def authority(self) -> Path:
        """The certificate that all of its certificates are signed with."""
        return self.private / "ca" / "ca.crt"

    def secret(self, place: str) -> str:
        """Return what a file of the secrets holds."""
        return (self.private / place).read_text(encoding="utf-8")

    def secrets(self) -> Iterator[str]:
        """Return every password and key."""
        for folder in ("passwords", "secrets"):
            yield from (
                path.read_text(encoding="utf-8") for path in (self.private / folder).rglob("*") if path.is_file()
            )
        yield self.secret("postgres/password")

    async def does(self, *arguments: str) -> str:
        """Run a command of Compose that must succeed."""
        return await self.engine.does(*self.command, *arguments, environment=self.environment)

    async def containers(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of each container, by its service."""
        ids = (await self.does("ps", "--quiet")).split()
        told = json.loads(await self.engine.does("docker", "inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in told}

    async def healthy(self, *services: str) -> None:
        """Wait until services are healthy."""

        async def all_are() -> bool:
            found = await self.containers()
            return all(_is_well(found[service]["State"]) for service in services)

        await wait_until(all_are, timeout=_SLOW, what=f"{', '.join(services)} to be healthy")

    async def demo(self, url: str) -> str:
        """Run `make demo` against an address of the API, over TLS."""
        return await self.engine.does(
            *("make", "demo", f"TARGET={url}"),
            environment={
                "TIDEWHEEL_CA": str(self.authority),
                "TIDEWHEEL_API_KEY": self.secret("secrets/gateway/tidewheel_bootstrap_api_key"),
            },
        )

    async def crash(self, service: str, image: str) -> None:
        """Kill a container's process from outside: an engine restarts what crashes, not what it was told to kill."""
        before = (await self.containers())[service]
        killer = ("--rm", "--pid", "host", "--user", "0", "--network", "none", "--entrypoint", "sh")
        await self.engine.does("docker", "run", *killer, image, "-c", f"kill -9 {before['State']['Pid']}")

        async def restarted() -> bool:
            now = (await self.containers())[service]
            return bool(now["RestartCount"] > before["RestartCount"] and now["State"]["Running"])

        await wait_until(restarted, timeout=_SLOW, what=f"{service} to be started again")


def _is_well(state: Mapping[str, Any]) -> bool:
    """Two images hold nothing but their program, so that no health check can run in them."""
    return bool(state["Health"]["Status"] == "healthy" if "Health" in state else state["Running"])


@asynccontextmanager
async def composed(
    engine: Engine, compose: Compose, bases: Bases, version: str, folder: Path
) -> AsyncIterator[Composed]:
    """Start the project, without building anything, and take it and its data away at the end."""
    private = folder / "private"
    process = await asyncio.create_subprocess_exec(sys.executable, str(CERTS), str(private), str(folder / "env"))
    assert await process.wait() == 0
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    project = f"tidewheel-verify-{secrets.token_hex(3)}"
    environment = {
        **bases.environment,
        **{f"{name}_PORT": str(port) for name, port in ports.items()},
        "TIDEWHEEL_PRIVATE": str(private),
        "TIDEWHEEL_VERSION": version,
        "TIDEWHEEL_CELERY_EVENTS": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel-collector:4318" if "otel-collector" in bases.images else "",
        "COMPOSE_FILE": ":".join(FILES),
        "COMPOSE_PROFILES": "edge,observability,flower",
        "COMPOSE_PROJECT_NAME": project,
    }
    started = Composed(
        engine=engine,
        project=project,
        private=private,
        command=compose.command,
        environment=environment,
        url=f"https://localhost:{ports['TIDEWHEEL']}",
        edge=f"https://localhost:{ports['TIDEWHEEL_HTTPS']}",
        watch={name: f"https://localhost:{ports[name.upper()]}" for name in ("prometheus", "alertmanager", "flower")},
        services=(*bases.images, *SERVICES, "flower"),
    )
    try:
        await started.does("up", "--detach", "--no-build", *started.services)
        yield started
    finally:
        await engine.tries(*compose.command, "down", "--volumes", "--timeout", "20", environment=environment)
