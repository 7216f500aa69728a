"""Renders the charts of infra/addons with Helm itself, for `make verify-infra`.

Prints JSON: Helm's version, what is wrong, the kinds that are held against the schemas of their operators, why they are
not, and the kinds that nobody has a schema for.
"""

import importlib
import json
import string
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import operators
import yaml

ROOT = Path(__file__).resolve().parents[2]
ADDONS = ROOT / "infra" / "addons"
KUBERNETES = ("1.33", "1.34", "1.35")


def findings_of(chart: Path, values: dict[str, Any], foreign: list[operators.Manifest]) -> list[str]:
    """Render a chart and hold its objects against Kubernetes' schemas; those without one are added to `foreign`."""
    loaded = helm_python.Chart.load(str(chart))
    texts = loaded.render(values, name=chart.name, namespace="kube-system")
    found = [str(each) for each in helm_python.lint(str(chart), values, strict=True).get("messages", [])]
    found = [said for said in found if "icon is recommended" not in said]
    for manifest in (each for text in texts.values() for each in yaml.safe_load_all(text) if each):
        for release in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, release, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                foreign.append(manifest)
                break
            except kubernetes_validate.ValidationError as error:
                found.append(f"{chart.name}, {manifest['kind']}, Kubernetes {release}: {error}")
    return found


def _held_against_operators(foreign: list[operators.Manifest]) -> dict[str, Any]:
    known = [each for each in foreign if operators.knows(each)]
    told: dict[str, Any] = {"unknown": sorted({each["kind"] for each in foreign if not operators.knows(each)})}
    try:
        refused = operators.refusals(known)
    except operators.NoSchemas as reason:
        return {**told, "findings": [], "unreached": str(reason)}
    found = [
        f"{each['kind']} {each['metadata']['name']}: {said}" for each, said in zip(known, refused, strict=True) if said
    ]
    return {**told, "findings": found, "kinds": sorted({each["kind"] for each in known})}


def main() -> None:
    """Render each chart with its values, as the installer would give them; volumes_key is once there and once not."""
    sys.path.insert(0, str(ADDONS))
    install = importlib.import_module("install")
    findings: list[str] = []
    foreign: list[operators.Manifest] = []
    for key in ("arn:aws:kms:eu-central-1:111122223333:key/one", ""):
        facts = dict.fromkeys(install.FACTS, "test") | {"volumes_key": key}
        for release in (each for each in install.releases() if each.repository is None):
            text = (ADDONS / "values" / f"{release.name}.yaml").read_text(encoding="utf-8")
            values = yaml.safe_load(string.Template(text).substitute(facts))
            for value, path in release.files.items():
                outer, inner = value.split(".")
                values.setdefault(outer, {})[inner] = (ROOT / path).read_text(encoding="utf-8")
            findings += findings_of(ADDONS / release.chart, values, foreign)
    told = _held_against_operators(foreign)
    answer = {**told, "helm": helm_python.helm_sdk_version(), "findings": [*findings, *told["findings"]]}
    json.dump({**answer, "schemas": operators.versions()}, sys.stdout)


if __name__ == "__main__":
    main()
