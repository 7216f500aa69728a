"""What the charts give to a process, rendered by Helm itself, in the environment of `make verify-deploy`."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]

# A start of uv that has to fetch the wheels first.
_FETCH = 110.0


class NoHelm(Exception):
    """Helm cannot be had here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A process as Kubernetes would start it.

    Attributes:
        command: what is run.
        environment: the variables that stand in the chart.
        secrets: variable -> the key of the Secret that it comes from.
        ports: name -> number.
        probes: the kind of a probe -> the scheme, port and path that it asks, as an address with a gap for the host.
        grace: seconds from SIGTERM to SIGKILL.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    secrets: dict[str, str]
    ports: dict[str, int]
    probes: dict[str, str]
    grace: float

    @classmethod
    def of(cls, workload: Manifest) -> "Container":
        """Read the one container of a workload."""
        pod = pod_of(workload)
        (container,) = pod["containers"]
        variables = container.get("env", [])
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        asked = {kind: container[kind]["httpGet"] for kind in container if kind.endswith("Probe")}
        return cls(
            command=tuple(container["command"]),
            environment={each["name"]: each["value"] for each in variables if "value" in each},
            secrets={
                each["name"]: each["valueFrom"]["secretKeyRef"]["key"] for each in variables if "valueFrom" in each
            },
            ports=ports,
            probes={kind: _address(get, ports) for kind, get in asked.items()},
            grace=pod.get("terminationGracePeriodSeconds", 30.0),
        )

    def started_with(self, secret: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment, with the keys of a Secret put in where the chart names them."""
        return {**self.environment, **{name: secret[key] for name, key in self.secrets.items() if key in secret}}


def _address(get: Manifest, ports: Mapping[str, int]) -> str:
    return f"{get['scheme'].lower()}://{{host}}:{ports[get['port']]}{get['path']}"


def pod_of(workload: Manifest) -> Manifest:
    """Return the spec of a workload's pods."""
    spec: Manifest = workload["spec"]
    if workload["kind"] == "Pod":
        return spec
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod


async def render(asked: Sequence[tuple[str, Manifest]]) -> list[list[Manifest]]:
    """Render charts with values.

    Raises:
        NoHelm: it cannot be installed here; the message says why.
    """
    uv = str(Path(sys.executable).with_name("uv"))
    program = ("python", "deploy/verify/charts.py")
    process = await asyncio.create_subprocess_exec(
        *(uv, "run", "--quiet", "--project", "deploy/verify", "--locked", "--inexact", "--no-default-groups", *program),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    wanted = json.dumps([{"chart": chart, "values": values} for chart, values in asked]).encode()
    try:
        output, said = await asyncio.wait_for(process.communicate(wanted), _FETCH)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NoHelm("helm-python-sdk was not fetched in time.") from None
    text = said.decode().strip()
    if "Failed to fetch" in text or "No solution found" in text or "no wheel" in text:
        raise NoHelm(text)
    assert process.returncode == 0, text
    rendered: list[list[Manifest]] = json.loads(output)
    return rendered


def imported(path: Path) -> ModuleType:
    """Import a program of deploy/, which is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verifier(name: str) -> ModuleType:
    """Import a module of `make verify-deploy`; only those that need none of its tools can be."""
    return imported(ROOT / "deploy" / "verify" / f"{name}.py")


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """Return the objects of a kind."""
    return [each for each in manifests if each["kind"] == kind]
