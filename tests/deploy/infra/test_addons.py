import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.infra.terraform import REPOSITORY, STACKS

ADDONS = REPOSITORY / "infra" / "addons"
FACTS = {
    "certificate": "arn:aws:acm:eu-central-1:111122223333:certificate/one",
    "cluster": "tidewheel-test",
    "environment": "test",
    "region": "eu-central-1",
    "secrets": "tidewheel-test",
    "traces": "tidewheel-test-traces",
    "volumes_key": "arn:aws:kms:eu-central-1:111122223333:key/one",
}
KUBERNETES = {"apps", "autoscaling", "batch", "networking.k8s.io", "policy", "v1"}


def releases() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = tomllib.loads((ADDONS / "releases.toml").read_text(encoding="utf-8"))["release"]
    return listed


def install(folder: Path, *arguments: str, facts: dict[str, str] = FACTS, fails_at: str = "-") -> tuple[int, str, Path]:
    """Run the installer with a Helm that only writes down what it is told; it fails at one release."""
    helm = folder / "helm"
    helm.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> {folder}/told\n'
        'for each in "$@"; do case "$each" in *.yaml) cat "$each" >> ' + f"{folder}/values;; esac; done\n"
        f'case " $* " in *" {fails_at} "*) exit 1;; esac\n',
        encoding="utf-8",
    )
    helm.chmod(helm.stat().st_mode | stat.S_IXUSR)
    (folder / "addons.json").write_text(json.dumps(facts), encoding="utf-8")
    program = (sys.executable, str(ADDONS / "install.py"), str(folder / "addons.json"), *arguments)
    done = subprocess.run(
        ("env", f"PATH={folder}:/bin:/usr/bin", *program), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr, folder


def told(folder: Path) -> list[list[str]]:
    path = folder / "told"
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_all_are_installed_in_order_with_what_terraform_said(tmp_path: Path) -> None:
    code, said, folder = install(tmp_path)
    assert code == 0, said
    commands = told(folder)
    assert [command[2] for command in commands] == [each["name"] for each in releases()]
    assert all({"--rollback-on-failure", "--wait"} <= set(command) for command in commands)
    values = (folder / "values").read_text(encoding="utf-8")
    assert "${" not in values
    assert all(fact in values for name, fact in FACTS.items() if name != "cluster")


def test_removal_goes_backwards_so_that_the_load_balancer_is_gone_before_its_network(tmp_path: Path) -> None:
    _, _, folder = install(tmp_path, "--remove")
    assert [command[:2] for command in told(folder)] == [["uninstall", each["name"]] for each in reversed(releases())]


def test_one_that_fails_stops_the_rest(tmp_path: Path) -> None:
    code, _, folder = install(tmp_path, fails_at="external-secrets")
    assert (code, told(folder)[-1][2]) == (1, "external-secrets")


@pytest.mark.parametrize(
    ("arguments", "facts", "sentence"),
    [(("--only", "kedda"), FACTS, "There is no kedda"), ((), {"region": "eu-central-1"}, "lacks certificate")],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    tmp_path: Path, arguments: tuple[str, ...], facts: dict[str, str], sentence: str
) -> None:
    code, said, folder = install(tmp_path, *arguments, facts=facts)
    assert (code, told(folder)) == (2, [])
    assert sentence in said


def test_a_chart_of_others_has_an_exact_version_and_values_of_ours() -> None:
    for each in releases():
        assert ("repository" in each) == ("version" in each) != each["chart"].startswith("charts/"), each
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", each.get("version", "0.0.0")), each
    assert {path.stem for path in (ADDONS / "values").glob("*.yaml")} == {each["name"] for each in releases()}


def test_every_dashboard_is_given_to_grafana_in_the_cluster_too() -> None:
    shown = {Path(path) for each in releases() for path in each.get("files", {}).values()}
    folder = Path("deploy/observability/grafana/dashboards")
    assert shown == {folder / path.name for path in (REPOSITORY / folder).glob("*.json")}
    values = yaml.safe_load((ADDONS / "values/prometheus.yaml").read_text(encoding="utf-8"))
    label = values["grafana"]["sidecar"]["dashboards"]["label"]
    assert f"{label}:" in (ADDONS / "charts/dashboards/templates/dashboards.yaml").read_text(encoding="utf-8")


def test_terraform_says_all_that_the_installer_asks_for() -> None:
    output = (REPOSITORY / STACKS / "modules/platform/outputs.tf").read_text(encoding="utf-8")
    block = output[output.index('output "addons"') :]
    assert sorted(re.findall(r"^    (\w+)\s+=", block, re.MULTILINE)) == sorted(FACTS)


def test_an_account_that_has_a_role_in_aws_is_the_one_that_the_chart_makes() -> None:
    access = (REPOSITORY / STACKS / "modules/platform/access.tf").read_text(encoding="utf-8")
    namespaces = {each["name"]: each["namespace"] for each in releases()}
    for name in ("external-secrets", "tempo"):
        values = yaml.safe_load((ADDONS / "values" / f"{name}.yaml").read_text(encoding="utf-8"))
        block = access[access.index(f"{name} = {{") :]
        assert f'service_account = "{values["serviceAccount"]["name"]}"' in block[:120]
        assert re.search(r'namespace\s+= "([\w-]+)"', block)[1] == namespaces[name]  # type: ignore[index]


def test_the_deploy_role_may_make_each_kind_of_an_operator_that_the_charts_make() -> None:
    templates = (REPOSITORY / "deploy" / "helm").glob("*/templates/*")
    texts = [path.read_text(encoding="utf-8") for path in templates]
    made = {api.split("/")[0] for text in texts for api in re.findall(r"^apiVersion: ([\w./-]+)$", text, re.MULTILINE)}
    foreign = made - KUBERNETES
    rights = (ADDONS / "charts/cluster/templates/deploy.yaml").read_text(encoding="utf-8")
    assert foreign <= set(re.findall(r"apiGroups: \[([\w.-]+)\]", rights))
    assert "external-secrets.io" in foreign
