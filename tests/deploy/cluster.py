"""The processes of the rendered charts, on this machine: PostgreSQL and Valkey behind links that can be cut."""

import asyncio
import re
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from tests.chaos.proxy import Proxy, open_proxy
from tests.deploy.charts import Container, Manifest, of_kind
from tests.deploy.roles import made_roles
from tests.support import wait_until

from tidewheel_cli.embedded.binaries import valkey_binary
from tidewheel_cli.embedded.program import Program, finish, running, start, stop

SERVICES = ("gateway", "scheduler", "dispatcher", "executor", "reaper")
APPLICATIONS = ("backend", "console")
API_KEY = f"tw_first_{secrets.token_hex(32)}"
LIVENESS, READINESS, STARTUP = "livenessProbe", "readinessProbe", "startupProbe"

_TLS = ("port ", "tls-")
_PATH = "/usr/bin:/bin"
_SLOW = 60.0  # seconds; five processes start on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What the charts have made.

    Attributes:
        containers: each service's process, and those of what else was asked for.
        migrate: the process of the migration hook.
        database: the address of PostgreSQL for services, through the link.
        owner: the same for the migration hook.
        others: the same for the example's backend and its handlers, which have tables of their own.
        mounted: stands for the root of the file system in which files are mounted.
        postgres: the link to PostgreSQL.
        redis: the link to Redis.
        users: user of Redis -> password.
        http: asks probes.
        exit_codes: how the services ended that have run.
    """

    containers: dict[str, Container]
    migrate: Container
    database: str
    owner: str
    others: str
    postgres: Proxy
    redis: Proxy
    users: Mapping[str, str]
    http: httpx2.AsyncClient
    logs: Path
    mounted: Path
    exit_codes: dict[str, int | None] = field(default_factory=dict)

    def secret(self, service: str) -> dict[str, str]:
        """Return what the Secret of a service holds."""
        return {
            "database-url": {"migrate": self.owner, "backend": self.others}.get(service, self.database),
            "reminders-database-url": self.others,
            "redis-url": f"redis://{service}:{self.users.get(service)}@127.0.0.1:{self.redis.port}/0",
            "keys": f"2026:{'A' * 43}",
            "bootstrap-api-key": API_KEY,
            "api-key": API_KEY,
        }

    @property
    def api_url(self) -> str:
        """Where the gateway is called."""
        ((scheme, port),) = self.containers["gateway"].ports.items()
        return f"{scheme}://127.0.0.1:{port}"

    @asynccontextmanager
    async def running(self, service: str) -> AsyncIterator[None]:
        """Run a service as Kubernetes would start and stop it."""
        program = self._program(service, self.containers[service], service)
        process = await start(program)
        try:
            yield
        finally:
            await stop(process, program)
            self.exit_codes[service] = process.returncode

    async def migrated(self) -> None:
        """Run the migration hook to its end."""
        await finish(self._program("migrate", self.migrate, "migrate"))

    async def asks(self, service: str, probe: str) -> int:
        """Ask as the kubelet does; 0 when nobody answers."""
        address = self.containers[service].probes[probe].format(host="127.0.0.1")
        try:
            return (await self.http.get(address)).status_code
        except httpx2.TransportError:
            return 0

    async def runs(self, name: str, container: Container) -> None:
        """Run a process that ends, such as a Job's, to its end.

        Raises:
            CannotStart: it failed.
        """
        await finish(self._program(name, container, name))

    async def until(self, service: str, probe: str, status: int) -> None:
        """Wait until a probe is answered so."""

        async def answered() -> bool:
            return await self.asks(service, probe) == status

        await wait_until(answered, timeout=_SLOW, what=f"{probe} of {service} to answer {status}")

    async def all_answer(self, probe: str, status: int) -> bool:
        """Tell whether every service answers a probe so."""
        return {await self.asks(service, probe) for service in SERVICES} == {status}

    async def metrics(self, service: str) -> str:
        """Return what Prometheus would read."""
        (port,) = self.containers[service].ports.values()
        return (await self.http.get(f"http://127.0.0.1:{port}/metrics")).text

    def _program(self, name: str, container: Container, user: str) -> Program:
        environment = container.started_with(self.secret(user))
        program, *arguments = (self._here(word) for word in container.command)
        return Program(
            name=name,
            command=(str(Path(sys.executable).with_name(program)), *arguments),
            environment={"PATH": _PATH, **{key: self._here(value) for key, value in environment.items()}},
            log=self.logs / f"{name}.log",
            grace=container.grace,
        )

    def _here(self, word: str) -> str:
        """Put what has a place in a pod or a name in a cluster in its place here."""
        if word.startswith("/etc/"):
            return str(self.mounted / word.removeprefix("/"))
        return re.sub(r"^(https?)://[a-z-]+:", r"\1://127.0.0.1:", word)


@asynccontextmanager
async def opened_cluster(
    rendered: Mapping[str, list[Manifest]], database: str, directory: Path, *, trust: ssl.SSLContext | bool = True
) -> AsyncIterator[Cluster]:
    """Start what the services need, as the chart of Redis says, and make everything ready to be started.

    Args:
        rendered: the objects of the charts.
        database: the address of PostgreSQL for a superuser.
        directory: where logs and mounted files are.
        trust: whom the certificates of the services are trusted from.
    """
    users = {service: secrets.token_urlsafe(24) for service in SERVICES}
    programs = (*SERVICES, "backend")
    workloads = {program: of_kind(rendered[program], "Deployment") for program in programs}
    (hook,) = of_kind(rendered["gateway"], "Job")
    async with AsyncExitStack() as opened:
        port = await opened.enter_async_context(_valkey(rendered["redis"], users, directory))
        link = urlsplit(database)
        postgres = await opened.enter_async_context(open_proxy("postgres", link.port or 5432))
        redis = await opened.enter_async_context(open_proxy("redis", port))
        roles = await made_roles(database)
        places = {
            role: link._replace(netloc=f"{login}@127.0.0.1:{postgres.port}").geturl() for role, login in roles.items()
        }
        yield Cluster(
            containers={service: Container.of(workload) for service, (workload,) in workloads.items()},
            migrate=Container.of(hook),
            database=places["services"],
            owner=places["schema"],
            others=link._replace(netloc=f"{link.username}:{link.password}@127.0.0.1:{postgres.port}").geturl(),
            postgres=postgres,
            redis=redis,
            users=users,
            http=await opened.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=5.0, verify=trust)),
            logs=directory,
            mounted=directory,
        )


@asynccontextmanager
async def _valkey(manifests: list[Manifest], users: Mapping[str, str], directory: Path) -> AsyncIterator[int]:
    """Run Valkey with the chart's configuration and users. The binary of the tests has no TLS, so that is left out."""
    (config,) = of_kind(manifests, "ConfigMap")
    (server,) = of_kind(manifests, "StatefulSet")
    port: int = server["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    passwords = directory / "passwords"
    passwords.mkdir()
    for user, password in users.items():
        (passwords / user).write_text(password, encoding="utf-8")
    script = directory / "users.sh"
    script.write_text(config["data"]["users.sh"], encoding="utf-8")
    acl = directory / "users.acl"
    acl.write_bytes(await _output("env", f"PASSWORDS={passwords}", "sh", str(script)))
    lines = [line for line in config["data"]["redis.conf"].splitlines() if not line.startswith(_TLS)]
    text = "\n".join([*lines, f"port {port}", "bind 127.0.0.1", ""])
    text = text.replace("/run/redis/users.acl", str(acl)).replace("dir /data", f"dir {directory}")
    (directory / "redis.conf").write_text(text, encoding="utf-8")

    async def answers() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.write(b"PING\r\n")  # what the probe of the chart asks, without a password
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"

    program = Program(
        name="valkey",
        command=(str(valkey_binary()), str(directory / "redis.conf")),
        environment={"PATH": _PATH},
        log=directory / "valkey.log",
        ready=answers,
    )
    async with running(program):
        yield port


async def _output(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output
