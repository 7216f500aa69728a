import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.infra import standin
from tests.deploy.infra.terraform import REPOSITORY, STACKS, terraform_here
from tests.deploy.infra.verify import formatting, validation

WORKFLOWS = REPOSITORY / ".github" / "workflows"
PINS = REPOSITORY / "docs" / "operations" / "pins.md"
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<sha>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)$")
SERVICES = sorted(path.name for path in (REPOSITORY / "services").iterdir() if (path / "pyproject.toml").is_file())
DELIVERED = sorted({*SERVICES, "redis", "backend", "console"})


def workflow(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on": loaded[True], **loaded}  # YAML 1.1 takes the word for a truth value


@pytest.mark.timeout(300)
def test_terraform_accepts_production_and_every_module_that_it_is_made_of() -> None:
    with terraform_here(fetch=False) as terraform:
        if isinstance(terraform, str):
            pytest.skip(f"Terraform cannot be run: {terraform}")
        assert formatting(terraform) == []
        assert validation(terraform, STACKS / "environments" / "prod") == []


def test_an_action_of_others_is_pinned_to_a_commit_that_the_list_of_pins_explains() -> None:
    lines = [line.strip() for path in WORKFLOWS.glob("*.yml") for line in path.read_text(encoding="utf-8").splitlines()]
    uses = {line.removeprefix("- ") for line in lines if line.removeprefix("- ").startswith("uses: ")}
    of_others = {line for line in uses if not line.startswith("uses: ./")}
    pinned = [PINNED.fullmatch(line) for line in sorted(of_others)]
    assert all(pinned), of_others
    rows = {f"| `{pin['action']}` | {pin['version']} | `{pin['sha']}` |" for pin in pinned if pin}
    listed = {line for line in PINS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")}
    assert listed == rows


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_delivered_when_something_that_it_is_made_of_changes(service: str) -> None:
    delivery = workflow(WORKFLOWS / f"{service}.yml")
    watched = set(delivery["on"]["push"]["paths"])
    assert watched >= {"Dockerfile", "uv.lock", "libs/common/**", f"services/{service}/**", f"deploy/helm/{service}/**"}
    assert delivery["jobs"]["deliver"]["with"]["service"] == service


@pytest.mark.parametrize("name", DELIVERED)
def test_each_chart_is_delivered_by_a_workflow_of_its_own_when_it_changes(name: str) -> None:
    delivery = workflow(WORKFLOWS / f"{name}.yml")
    shared = {f"deploy/helm/{name}/**", "deploy/helm/common/**", ".github/workflows/_service.yml"}
    assert set(delivery["on"]["push"]["paths"]) >= shared
    job = delivery["jobs"]["deliver"]
    assert (job["uses"], job["with"]["service"]) == ("./.github/workflows/_service.yml", name)


def test_a_release_takes_what_was_scanned_and_signed_and_falls_back_when_it_does_not_work() -> None:
    image = workflow(WORKFLOWS / "_image.yml")["jobs"]["image"]
    names = [step.get("name", "") for step in image["steps"]]
    assert names.index("Refuse an image with a critical finding") < names.index("Sign the digest")
    release = workflow(WORKFLOWS / "_service.yml")["jobs"]["release"]
    order = [step["name"] for step in release["steps"] if "name" in step]
    expected = ["Refuse what", "Find the cluster", "Roll back", "Release", "Test", "Send one task", "Fall back"]
    assert [found for found in order if found.startswith(tuple(expected))] == [
        next(name for name in order if name.startswith(word)) for word in expected
    ]
    assert "environment" in release


def test_only_a_job_behind_an_environment_or_one_that_plans_or_pushes_speaks_to_aws() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        loaded = workflow(path)
        assert set(loaded["permissions"].items()) <= {("contents", "read")}, path.name
        for name, job in loaded["jobs"].items():
            if job.get("permissions", {}).get("id-token") == "write" and "uses" not in job:
                only = ("AWS_PLAN_ROLE", "AWS_PUSH_ROLE")
                assert "environment" in job or any(role in str(job["steps"]) for role in only), f"{path.name}: {name}"


def test_every_service_has_an_image_repository_a_secret_and_a_role() -> None:
    platform = (REPOSITORY / STACKS / "modules/platform/main.tf").read_text(encoding="utf-8")
    listed = re.search(r"own\s+= \[([^\]]*)\]", platform)
    assert listed is not None
    assert sorted(re.findall(r'"(\w+)"', listed[1])) == SERVICES


def test_every_entry_of_the_store_that_the_example_reads_is_one_that_terraform_makes() -> None:
    example = {path.stem: path.read_text(encoding="utf-8") for path in (REPOSITORY / "deploy" / "eks").glob("*.yaml")}
    read = {name for text in example.values() for name in re.findall(r"remoteKey: tidewheel-dev/([\w-]+)", text)}
    platform = (REPOSITORY / STACKS / "modules/platform/main.tf").read_text(encoding="utf-8")
    made = {*SERVICES, "backend", *re.findall(r"^    \{ ([\w-]+) = \"", platform, re.MULTILINE)}
    assert set(example) == {*DELIVERED, "shared"}
    assert {"migrate", "canary", "redis-users"} <= read <= made


def test_every_module_is_applied_to_moto_or_it_is_said_why_not() -> None:
    modules = {path.name for path in (REPOSITORY / STACKS / "modules").iterdir() if path.is_dir()}
    assert modules | {"state"} == {*standin.modules().split(", "), *standin.UNSERVED}
    tested = {path.parent.name for path in (REPOSITORY / STACKS / "modules").glob("*/tests")}
    assert modules == tested


def test_a_kept_thing_is_guarded_and_a_guard_can_be_lifted_by_its_variable_only() -> None:
    for module in ("kms", "rds", "s3", "secrets"):
        text = (REPOSITORY / STACKS / "modules" / module / "main.tf").read_text(encoding="utf-8")
        guard = text[text.index('resource "terraform_data" "keep"') :]
        assert "prevent_destroy = true" in guard, module
        assert "triggers_replace" in guard, module
