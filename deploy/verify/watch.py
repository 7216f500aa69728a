"""compose.yaml and what watches it, read by Compose, Prometheus and Alertmanager where they are installed."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILES = ("compose.yaml", "deploy/compose/watch.yaml")
OBSERVABILITY = ROOT / "deploy" / "observability"

_PROFILES = ("--profile", "edge", "--profile", "observability", "--profile", "flower")


class Report(Protocol):
    """Where it is said what ran."""

    def ran(self, tool: str, tool_version: str, did: str, findings: list[str]) -> None:
        """Say what a tool has found."""

    def skipped(self, what: str, reason: str) -> None:
        """Say what was not checked."""


def check(report: Report) -> None:
    """Check the files of Compose, the rules, the dashboards and the routes."""
    _compose_spec(report)
    for command in (("docker", "compose"), ("docker-compose",)):
        _compose(report, command)
    _promtool(report)
    _amtool(report)
    report.skipped("Traefik's, Tempo's, Grafana's and the collector's files", "their programs are in no package index")
    report.skipped("the images and compose.yaml, running", "`make verify-images` does that")


def _compose_spec(report: Report) -> None:
    if shutil.which("check-jsonschema") is None:
        report.skipped("the schema of Compose v2", "check-jsonschema is not installed")
        return
    done = _run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE_FILES)
    found = [done.stdout + done.stderr] if done.returncode else []
    report.ran("check-jsonschema", version("check-jsonschema"), "the schema of Compose v2", found)


def _compose(report: Report, command: tuple[str, ...]) -> None:
    name = " ".join(command)
    if shutil.which(command[0]) is None or (told := _run(*command, "version", "--short")).returncode:
        report.skipped(name, "it is not installed")
        return
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in COMPOSE_FILES]
    required = {name for text in texts for name in re.findall(r"\$\{(\w+):\?", text)}  # folders that `make certs` makes
    files = [part for name in COMPOSE_FILES for part in ("-f", name)]
    done = _run("env", *(f"{name}=./x" for name in required), *command, *files, *_PROFILES, "config", "--quiet")
    report.ran(name, told.stdout.strip(), " and ".join(COMPOSE_FILES), [done.stderr] if done.returncode else [])


def _promtool(report: Report) -> None:
    if shutil.which("promtool") is None:
        report.skipped("promtool", "it is not installed (Debian: prometheus)")
        return
    told = _run("promtool", "--version").stdout.split()[2]
    done = _run("promtool", "check", "config", "--syntax-only", str(OBSERVABILITY / "prometheus.yaml"))
    report.ran("promtool", told, "prometheus.yaml", [done.stdout + done.stderr] if done.returncode else [])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        rules = [{"record": f"shown:{n}", "expr": query} for n, query in enumerate(_queries())]
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
        file.flush()
        done = _run("promtool", "check", "rules", file.name)
    report.ran("promtool", told, f"{len(rules)} queries of dashboards", [done.stderr] if done.returncode else [])


def _queries() -> Iterator[str]:
    for path in sorted((OBSERVABILITY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield target["expr"].replace("$__rate_interval", "1m")


def _amtool(report: Report) -> None:
    if shutil.which("amtool") is None:
        report.skipped("amtool", "it is not installed (Debian: prometheus-alertmanager)")
        return
    told = _run("amtool", "--version").stdout.split()[2]
    file = str(OBSERVABILITY / "alertmanager.yaml")
    done = _run("amtool", "check-config", file)
    found = [done.stdout + done.stderr] if done.returncode else []
    routes = {"severity=page": "page", "severity=ticket": "ticket"}
    for label, receiver in routes.items():
        got = _run("amtool", "config", "routes", "test", f"--config.file={file}", label).stdout.strip()
        found += [] if got == receiver else [f"{label} goes to {got}, not to {receiver}"]
    report.ran("amtool", told, "alertmanager.yaml and whom it calls", found)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - tools of ours
