"""The rules of `make verify-deploy`: each one speaks up when a chart breaks it."""

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.charts import Manifest, of_kind, verifier

Break = Callable[[Manifest], object]


@pytest.fixture(scope="module")
def breaches() -> Callable[[list[Manifest]], list[str]]:
    found: Callable[[list[Manifest]], list[str]] = verifier("policies").breaches
    return found


def pod(deployment: Manifest) -> Manifest:
    found: Manifest = deployment["spec"]["template"]["spec"]
    return found


def container(deployment: Manifest) -> Manifest:
    found: Manifest = pod(deployment)["containers"][0]
    return found


def egress(policy: Manifest) -> list[Any]:
    found: list[Any] = policy["spec"]["egress"]
    return found


OTHER = {"app.kubernetes.io/name": "gateway-migrate"}
ANY_POSTGRES = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 3306}]}

BROKEN: list[tuple[str, str, Break, str]] = [
    ("root", "Deployment", lambda it: pod(it)["securityContext"].update(runAsUser=0), "may run as root"),
    ("token", "Deployment", lambda it: pod(it).pop("automountServiceAccountToken"), "given a token"),
    ("latest", "Deployment", lambda it: container(it).update(image="gateway:latest"), "is not pinned"),
    ("writes", "Deployment", lambda it: container(it)["securityContext"].clear(), "can be written"),
    ("no limit", "Deployment", lambda it: container(it)["resources"].pop("limits"), "a limit of memory"),
    ("no probe", "Deployment", lambda it: container(it).pop("livenessProbe"), "has no livenessProbe"),
    ("celery", "Deployment", lambda it: container(it)["livenessProbe"].update(exec="celery inspect"), "starts Celery"),
    ("killed", "Deployment", lambda it: pod(it).update(terminationGracePeriodSeconds=8), "would kill it"),
    ("close", "Deployment", lambda it: pod(it).pop("affinity"), "do not avoid each other"),
    ("not let in", "NetworkPolicy", lambda it: it["spec"]["ingress"][0]["from"].pop(1), "does not let it in"),
    ("untested", "Pod", lambda it: it["metadata"]["labels"].update(OTHER), "does not ask it"),
    ("port", "Deployment", lambda it: container(it)["ports"].append({"containerPort": 1}), "it listens on"),
    ("two sizes", "Deployment", lambda it: it["spec"].update(replicas=2), "both decide its size"),
    ("undrainable", "PodDisruptionBudget", lambda it: it["spec"].update(maxUnavailable=0), "from being drained"),
    ("new link", "NetworkPolicy", lambda it: egress(it).append(ANY_POSTGRES), "which it does not need"),
    ("anywhere", "NetworkPolicy", lambda it: egress(it).append({}), "may reach everything"),
    ("no link", "NetworkPolicy", lambda it: egress(it).pop(), "cannot reach redis"),
    ("open", "NetworkPolicy", lambda it: it["spec"]["ingress"][0].pop("from"), "anybody may call it"),
    ("nowhere", "Service", lambda it: it["spec"]["ports"][0].update(targetPort="web"), "have no port web"),
    ("no account", "ServiceAccount", lambda it: it["metadata"].update(name="x"), "service account is not made"),
]


def test_the_charts_break_no_rule(
    breaches: Callable[[list[Manifest]], list[str]], rendered: dict[str, list[Manifest]]
) -> None:
    assert {chart: breaches(manifests) for chart, manifests in rendered.items()} == {chart: [] for chart in rendered}


@pytest.mark.parametrize(("kind", "act", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_rule_is_named(
    breaches: Callable[[list[Manifest]], list[str]],
    rendered: dict[str, list[Manifest]],
    kind: str,
    act: Break,
    said: str,
) -> None:
    manifests = copy.deepcopy(rendered["gateway"])
    act(next(each for each in of_kind(manifests, kind) if each["metadata"]["name"] in ("gateway", "gateway-test")))
    assert any(said in wrong for wrong in breaches(manifests))


def test_the_schemas_of_the_values_are_as_they_are_generated(repository: Path) -> None:
    program = str(repository / "deploy" / "verify" / "schemas.py")
    subprocess.run((sys.executable, program, "--check"), check=True)
