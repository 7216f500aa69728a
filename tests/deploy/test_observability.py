"""Dashboards name what is served; what stands beside compose.yaml is as strict as it is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

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
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture(scope="module")
def expressions(repository: Path) -> list[str]:
    folder = repository / "deploy" / "observability" / "grafana" / "dashboards"
    shown = [each for path in folder.glob("*.json") for each in _expressions(path)]
    assert shown
    return shown


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
        for name, matchers in _OURS.findall(expression):
            assert name in metrics, f"{name} of {expression}"
            matched = set(_MATCHED.findall(matchers))
            assert matched <= metrics[name], f"{name} has no {matched - metrics[name]}: {expression}"


def test_what_is_grouped_by_is_a_label_of_what_is_grouped(expressions: list[str], metrics: dict[str, set[str]]) -> None:
    for expression in expressions:
        names = [name for name, _ in _OURS.findall(expression)]
        known = {label for name in names for label in metrics[name]}
        asked = {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")}
        assert asked <= known, expression


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
