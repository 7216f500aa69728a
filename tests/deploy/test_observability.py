"""Rules and dashboards: each metric, label and runbook that they name is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from tidewheel_common.process.metrics import Metrics
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_executor.figures import Figures, IntakeFigures
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_reaper.metrics import ReaperMetrics
from tidewheel_scheduler.counts import Counts

_OURS = re.compile(r"\b(tidewheel_\w+)(?:\{([^}]*)\})?")
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_RECORDED = re.compile(r"\b\w+:\w+:\w+")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "deploy" / "observability"


@pytest.fixture(scope="module")
def rules(folder: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load((folder / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def expressions(folder: Path, rules: list[dict[str, Any]]) -> list[str]:
    shown = [each for path in (folder / "grafana" / "dashboards").glob("*.json") for each in _expressions(path)]
    assert shown
    return [*shown, *(rule["expr"] for rule in rules)]


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Each series that the services serve, with its labels."""
    common = Metrics("any")
    GatewayMetrics(common)
    registries = [common.registry]
    for kind in (DispatcherMetrics, Figures, IntakeFigures, ReaperMetrics, Counts):
        registries.append(CollectorRegistry())
        kind(registries[-1])
    return {
        series: {*collector._labelnames, "le"} if series.endswith("_bucket") else set(collector._labelnames)  # type: ignore[attr-defined]
        for registry in registries
        for collector, names in registry._collector_to_names.items()
        for series in names
    }


def _expressions(dashboard: Path) -> Iterator[str]:
    told = json.loads(dashboard.read_text(encoding="utf-8"))
    for panel in told["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in told["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def test_every_metric_and_label_is_served_by_some_service(expressions: list[str], metrics: dict[str, set[str]]) -> None:
    for expression in expressions:
        for name, matchers in _OURS.findall(_RECORDED.sub("", expression)):
            assert name in metrics, f"{name} of {expression}"
            matched = set(_MATCHED.findall(matchers))
            assert matched <= metrics[name], f"{name} has no {matched - metrics[name]}: {expression}"


def test_what_is_grouped_by_is_a_label_of_what_is_grouped(expressions: list[str], metrics: dict[str, set[str]]) -> None:
    for expression in expressions:
        names = [name for name, _ in _OURS.findall(_RECORDED.sub("", expression))]
        known = {label for name in names for label in metrics[name]}
        asked = {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")}
        assert asked <= known, expression


def test_what_is_recorded_is_recorded_by_a_rule(expressions: list[str], rules: list[dict[str, Any]]) -> None:
    recorded = {rule["record"] for rule in rules if "record" in rule}
    used = {name for expression in expressions for name in _RECORDED.findall(expression)}
    assert used <= recorded


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(repository: Path, rules: list[dict[str, Any]]) -> None:
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    page = "docs/operations/alerts.md"
    headings = set(re.findall(r"^## (Tidewheel\w+)$", (repository / page).read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == alerts.keys()
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"page", "ticket", "none"}
        assert rule["annotations"].keys() == {"summary", "runbook"}
        assert rule["annotations"]["runbook"] == f"{page}#{name.lower()}"


def test_every_container_is_as_strict_as_the_services(repository: Path) -> None:
    stores = {"postgres", "redis"}
    watched = {"gateway", "scheduler", "dispatcher", "executor", "reaper"}
    for name in ("compose.yaml", "deploy/compose/watch.yaml"):
        services = yaml.safe_load((repository / name).read_text(encoding="utf-8"))["services"]
        for service, told in services.items():
            if name.endswith("watch.yaml") and service in watched:
                continue
            place = f"{service} of {name}"
            assert told["read_only"], place
            assert told["cap_drop"] == ["ALL"], place
            assert told["security_opt"] == ["no-new-privileges:true"], place
            assert told["mem_limit"], place
            assert told["pids_limit"], place
            assert told["restart"] == ("no" if service == "migrate" else "unless-stopped"), place
            assert "user" in told or "build" in told or service == "gateway", f"{place} runs as its image likes"
            assert service not in stores or "ports" not in told, f"{place} is open to this machine"
