"""Renders the charts with Helm itself. As a program: reads a JSON list of renderings, writes their objects as JSON.

[{"chart": "gateway", "values": {"port": 8080}}]  ->  [[{"kind": "Deployment", …}, …]]
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import helm_python
import yaml

HELM = Path(__file__).resolve().parents[1] / "helm"
EXAMPLE = HELM.with_name("eks")
LIBRARY = "common"
UMBRELLA = "tidewheel"

NAMESPACE = "tidewheel"

Manifest = dict[str, Any]


def names() -> list[str]:
    """Return the charts that can be installed; the umbrella comes last, as it needs the others."""
    found = sorted(path.parent.name for path in HELM.glob("*/Chart.yaml"))
    return [*sorted(set(found) - {LIBRARY, UMBRELLA}), UMBRELLA]


def values_files(chart: str) -> list[Path]:
    """Return the values with which a chart is verified, besides its own defaults."""
    return sorted((HELM / chart / "ci").glob("*.yaml"))


def released_values(chart: str) -> dict[str, Any]:
    """Return the values with which the workflow of a chart releases it, as an example has them."""
    texts = ((EXAMPLE / name).read_text(encoding="utf-8") for name in ("shared.yaml", f"{chart}.yaml"))
    return {key: value for text in texts for key, value in yaml.safe_load(text).items()}


class Charts:
    """A copy of the charts with their dependencies, so that rendering leaves no trace in the source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for chart in names():
            helm_python.dependency_update(str(folder / chart))

    def render(self, chart: str, values: dict[str, Any]) -> list[Manifest]:
        """Render a chart as `helm template` does; the release is called as the chart.

        Raises:
            helm_python.HelmError: the values do not fit the schema, or a template failed.
        """
        return self.release(chart, chart, values)

    def release(self, name: str, chart: str, values: dict[str, Any]) -> list[Manifest]:
        """Render a chart under another name of the release."""
        loaded = helm_python.Chart.load(str(self._folder / chart))
        loaded.validate_schema(values)
        texts = loaded.render(values, name=name, namespace=NAMESPACE)
        return [each for _, text in sorted(texts.items()) for each in yaml.safe_load_all(text) if each]

    def lint(self, chart: str, values: dict[str, Any]) -> list[str]:
        """Return what `helm lint --strict` says against a chart."""
        found = helm_python.lint(str(self._folder / chart), values, strict=True, namespace=NAMESPACE)
        return [str(message) for message in found.get("messages", []) if "icon is recommended" not in str(message)]


@contextmanager
def opened_charts() -> Iterator[Charts]:
    """Make the charts ready to be rendered."""
    with tempfile.TemporaryDirectory(prefix="charts-") as folder:
        copy = Path(folder) / "helm"
        shutil.copytree(HELM, copy, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
        yield Charts(copy)


def main() -> None:
    """Render what standard input asks for."""
    asked = json.load(sys.stdin)
    with opened_charts() as charts:
        json.dump([charts.render(each["chart"], each["values"]) for each in asked], sys.stdout)


if __name__ == "__main__":
    main()
