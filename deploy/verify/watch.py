"""compose.yaml, its edge and what watches it, read by the programs that they are written for."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import debian
import edge
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILES = ("compose.yaml", "deploy/compose/watch.yaml")
IN_CLUSTER = "infra/addons/values/prometheus.yaml"
OBSERVABILITY = ROOT / "deploy" / "observability"

PROMTOOL = ("promtool", "prometheus")
"""Which package has it in a newer Debian, and which in this one."""

_AMTOOL = ("prometheus-alertmanager", "prometheus-alertmanager")
_COMPOSES = (("docker", "compose"), ("docker-compose",))
_PROFILES = ("--profile", "edge", "--profile", "observability", "--profile", "flower")


class Report(Protocol):
    """Where it is said what ran."""

    def ran(self, tool: str, tool_version: str, did: str, findings: list[str]) -> None:
        """Say what a tool has found."""

    def skipped(self, what: str, reason: str) -> None:
        """Say what was not checked."""


def check(report: Report) -> None:
    """Check the files of Compose, the edge, the rules, the dashboards and the routes."""
    _compose_spec(report)
    _composes(report)
    _traefik(report)
    for name, packages, ask in (("promtool", PROMTOOL, _promtool), ("amtool", _AMTOOL, _amtool)):
        try:
            with debian.watcher(name, *packages) as found:
                ask(report, str(found))
        except debian.NotHere as reason:
            report.skipped(f"{name} on deploy/observability", str(reason))
    nowhere = "no package of PyPI, npm or Debian has their programs with what the files ask for"
    report.skipped("the files of Grafana, Tempo and OpenTelemetry's collector", nowhere)
    report.skipped("the images and compose.yaml, running", "`make verify-images` does that")


def _compose_spec(report: Report) -> None:
    if shutil.which("check-jsonschema") is None:
        report.skipped("the schema of Compose v2", "check-jsonschema is not installed")
        return
    done = _run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE_FILES)
    found = [done.stdout + done.stderr] if done.returncode else []
    report.ran("check-jsonschema", version("check-jsonschema"), "the schema of Compose v2", found)


def _composes(report: Report) -> None:
    """Let every Compose of this machine read the files, and one of version 2 in any case."""
    versions = {command: told for command in _COMPOSES if (told := _compose_version(*command))}
    for command, told in versions.items():
        _compose(report, told, *command)
    if all(told.startswith("1.") for told in versions.values()):
        try:
            with debian.program("docker-compose", "docker-compose", release=debian.NEWER) as found:
                _compose(report, _compose_version(str(found)), str(found))
        except debian.NotHere as reason:
            report.skipped("Compose v2", str(reason))
    if not any(told.startswith("1.") for told in versions.values()):
        report.skipped("Compose v1", "it is not installed, and it is in no single package")


def _compose_version(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = _run(*command, "version", "--short")
    return "" if done.returncode else done.stdout.strip()


def _compose(report: Report, told: str, *command: str) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in COMPOSE_FILES]
    required = {name for text in texts for name in re.findall(r"\$\{(\w+):\?", text)}  # folders that `make certs` makes
    files = [part for name in COMPOSE_FILES for part in ("-f", name)]
    done = _run("env", *(f"{name}=./x" for name in required), *command, *files, *_PROFILES, "config", "--quiet")
    report.ran("Compose", told, " and ".join(COMPOSE_FILES), [done.stderr] if done.returncode else [])


def _traefik(report: Report) -> None:
    traefik = shutil.which("traefik")
    if traefik is None:
        report.skipped("Traefik", "it is not installed")
        return
    did = f"{edge.CONFIGURATION}, running: the API alone, over TLS alone, to no gateway but ours"
    report.ran("Traefik", edge.version_of(traefik), did, edge.findings(traefik))


def _promtool(report: Report, promtool: str) -> None:
    told = _run(promtool, "--version").stdout.split()[2]
    done = _run(promtool, "check", "config", "--syntax-only", str(OBSERVABILITY / "prometheus.yaml"))
    report.ran("promtool", told, "prometheus.yaml", [done.stdout + done.stderr] if done.returncode else [])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        rules = [{"record": f"shown:{n}", "expr": query} for n, query in enumerate(_queries())]
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
        file.flush()
        done = _run(promtool, "check", "rules", file.name)
    report.ran("promtool", told, f"{len(rules)} queries of dashboards", [done.stderr] if done.returncode else [])


def _queries() -> Iterator[str]:
    for path in sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield target["expr"].replace("$__rate_interval", "1m")


def _amtool(report: Report, amtool: str) -> None:
    told = _run(amtool, "--version").stdout.split()[2]
    in_cluster = yaml.safe_load((ROOT / IN_CLUSTER).read_text(encoding="utf-8"))["alertmanager"]["config"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(in_cluster, file)
        file.flush()
        routes = {"severity=page": "pages", "severity=ticket": "tickets", "alertname=Watchdog": "nobody"}
        report.ran("amtool", told, f"{IN_CLUSTER} and whom it calls", _routes(amtool, file.name, routes))
    ours = str(OBSERVABILITY / "alertmanager.yaml")
    routes = {"severity=page": "page", "severity=ticket": "ticket"}
    report.ran("amtool", told, "alertmanager.yaml and whom it calls", _routes(amtool, ours, routes))


def _routes(amtool: str, file: str, expected: dict[str, str]) -> list[str]:
    done = _run(amtool, "check-config", file)
    found = [done.stdout + done.stderr] if done.returncode else []
    for label, receiver in expected.items():
        got = _run(amtool, "config", "routes", "test", f"--config.file={file}", label).stdout.strip()
        found += [] if got == receiver else [f"{label} goes to {got}, not to {receiver}"]
    return found


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - tools of ours
