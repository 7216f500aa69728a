"""What compose.yaml promises of a running stack, tried on it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
from tests.deploy.images.bases import Bases
from tests.deploy.images.built import SERVICES, tag
from tests.deploy.images.composed import Composed
from tests.deploy.images.engine import Done

_REFUSED_BY_POSTGRES = re.compile(r"no pg_hba\.conf entry for host .*no encryption")
_REFUSED_BY_REDIS = re.compile(r"reset by peer|closed the connection|I/O error", re.IGNORECASE)


async def coming_up(stack: Composed) -> list[str]:
    """Wait until all that lasts is healthy; the migration has ended by then, or nothing would have started."""
    await stack.healthy(*stack.services)
    return []


async def demo(stack: Composed, url: str) -> list[str]:
    """Return what the demo says when it does not end well."""
    said = await stack.demo(url)
    return [] if "Everything ended as it should" in said else [said[-1500:]]


async def hardening(stack: Composed) -> list[str]:
    """Return what a container may do that it must not."""
    told = await stack.containers()
    hidden = set(stack.secrets())
    return [f"{name}: {wrong}" for name, each in told.items() for wrong in _soft(each, hidden)]


def _soft(container: dict[str, Any], hidden: set[str]) -> Iterator[str]:
    config, host = container["Config"], container["HostConfig"]
    if config["User"].split(":")[0] in {"", "0", "root"}:
        yield "it runs as root"
    if not host["ReadonlyRootfs"]:
        yield "its root can be written"
    if host["CapDrop"] != ["ALL"] or host["CapAdd"]:
        yield f"it keeps capabilities: {host['CapDrop']}, {host['CapAdd']}"
    if not any("no-new-privileges" in option for option in host["SecurityOpt"] or ()):
        yield "it may gain privileges"
    if not host["Memory"] or not host["PidsLimit"]:
        yield "it has no limit of memory or of processes"
    if "migrate" not in container["Name"] and host["RestartPolicy"]["Name"] != "unless-stopped":
        yield "nobody starts it again"
    shown = " ".join([*config["Env"], *(config["Cmd"] or ()), *(config["Entrypoint"] or ())])
    if any(secret in shown for secret in hidden):
        yield "a secret stands in its environment or its command"


async def plaintext(stack: Composed, bases: Bases) -> list[str]:
    """Return the servers that speak without TLS, or that do not speak with it."""
    found = []
    password = stack.secret("postgres/password")
    for mode, refused in (("disable", True), ("verify-full", False)):
        address = f"host=postgres user=tidewheel dbname=tidewheel sslmode={mode} sslrootcert=/ca/ca.crt"
        done = await _asks(
            stack, bases.images["postgres"], f"PGPASSWORD={password}", "psql", address, "-Atc", "SELECT 1"
        )
        if refused != bool(done.code and _REFUSED_BY_POSTGRES.search(done.output)) or (not refused and done.code):
            found.append(f"PostgreSQL with sslmode={mode}: {done.output[-300:]}")
    plain = await _asks(stack, bases.images["redis"], "A=", "valkey-cli", "-h", "redis", "ping")
    if not _REFUSED_BY_REDIS.search(plain.output):
        found.append(f"Redis without TLS: {plain.output[-300:]}")
    safe = await _asks(
        stack, bases.images["redis"], "A=", "valkey-cli", "-h", "redis", "--tls", "--cacert", "/ca/ca.crt", "ping"
    )
    if safe.output.strip() != "PONG":
        found.append(f"Redis with TLS: {safe.output[-300:]}")
    return [*found, *await _http(stack)]


async def _asks(stack: Composed, image: str, variable: str, *command: str) -> Done:
    authority = f"{stack.authority}:/ca/ca.crt:ro"
    given = ("--rm", "--network", stack.network, "--volume", authority, "--env", variable)
    program, *arguments = command
    return await stack.engine.tries("docker", "run", *given, "--entrypoint", program, image, *arguments)


async def _http(stack: Composed) -> list[str]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
        try:
            answer = await http.get(stack.url.replace("https://", "http://") + "/readyz")
        except httpx2.TransportError:
            return []
    return [f"the gateway answers plain HTTP with {answer.status_code}"]


async def healing(stack: Composed, version: str) -> list[str]:
    """Kill each container in turn, and say where the stack does not come back as it was."""
    for service in stack.services:
        await stack.crash(service, tag("reaper", version))
        await stack.healthy(service)
    await stack.healthy(*stack.services)
    return await demo(stack, stack.edge)


async def ending(stack: Composed) -> list[str]:
    """Stop the services, and name those that had to be killed."""
    before = await stack.containers()
    await stack.does("stop", *SERVICES)
    ids = [before[service]["Id"] for service in SERVICES]
    told = await stack.engine.does("docker", "inspect", "--format", "{{.Name}} {{.State.ExitCode}}", *ids)
    return [f"{line}: it did not end by itself" for line in told.splitlines() if not line.endswith(" 0")]
