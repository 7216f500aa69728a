"""The alerts of the charts against the code: what they ask for is measured, and what they say is written."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.deploy.charts import verifier
from tests.deploy.cluster import SERVICES

from tidewheel_common.process.metrics import Metrics
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_executor.figures import Figures
from tidewheel_gateway.certificate import Certificate
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_reaper.metrics import ReaperMetrics
from tidewheel_scheduler.counts import Counts

NOW = datetime.now(UTC)  # noqa: TID251 - the certificates are checked against the clock of this machine
OF_OTHERS = ("kube_", "certmanager_", "kubelet_")
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}


@pytest.fixture(scope="module")
def expressions() -> list[str]:
    return [rule["expr"] for rule in verifier("alerts").rules()]


def _measured(certs: Any, directory: Path) -> Iterator[str]:
    authority = certs.make_authority(directory / "ca", NOW)
    certs.make_server(directory, "gateway", authority, NOW)
    metrics = Metrics("gateway")
    GatewayMetrics(metrics)
    Certificate(directory / "tls.crt", directory / "tls.key", metrics.registry)
    for registered in (DispatcherMetrics, Figures, ReaperMetrics, Counts):
        registered(metrics.registry)
    yield from _exposed(metrics.registry)


def _exposed(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        yield from (family.name + suffix for suffix in SUFFIXES[family.type])


def test_every_metric_of_an_alert_is_measured(expressions: list[str], certs: Any, tmp_path: Path) -> None:
    asked = {name for text in expressions for name in re.findall(r"\b[a-z]+_[a-z_]+(?=[{\[)])", text)}
    ours = {name for name in asked if not name.startswith(OF_OTHERS)}
    assert "tidewheel_build_info" in ours, "the expressions are read"
    assert ours <= set(_measured(certs, tmp_path))


def test_every_loop_and_service_of_an_alert_exists(expressions: list[str], repository: Path) -> None:
    matched = (words for text in expressions for words in re.findall(r'loop=~?"([^"]+)"', text))
    named = {name for words in matched for name in words.split("|")}
    sources = "".join(path.read_text(encoding="utf-8") for path in (repository / "services").glob("*/src/*/*.py"))
    assert named
    assert named <= set(re.findall(r'Loop\(name="(\w+)"', sources))
    assert {name for text in expressions for name in re.findall(r'service="(\w+)"', text)} <= set(SERVICES)


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    assert list(verifier("alerts").unsaid()) == []
