"""Linters of Terraform, workflows and the add-ons; each says what it found, or why it could not run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from tests.deploy.infra.terraform import REPOSITORY, STACKS

WORKFLOWS = REPOSITORY / ".github" / "workflows"
_HERE = Path(__file__).parent
_UV = str(Path(sys.executable).with_name("uv"))
INFRA_TOOLS = (_UV, "run", "--quiet", "--project", str(_HERE), "--isolated", "--locked")
CHART_TOOLS = (_UV, "run", "--quiet", "--project", str(REPOSITORY / "deploy/verify"), "--locked", "--group", "lint")

CHECKOV_SKIPS = {
    "CKV2_AWS_19": "the addresses belong to NAT gateways, not to machines",
    "CKV2_AWS_50": "it reads the number of replicas as 0; the default is 1, and failover is on with it",
    "CKV2_AWS_57": "AWS rotates the owner's password itself; docs/operations/certificates.md has the rest",
    "CKV2_AWS_62": "nobody waits for what is put into the buckets",
    "CKV_AWS_18": "who reads the buckets is asked of CloudTrail, which belongs to the account",
    "CKV_AWS_144": "the database's backups go to another region; what else the buckets hold can be made again",
    "CKV_AWS_161": "services keep their connections; a token for the database lasts a quarter of an hour",
    "CKV_AWS_338": "flow and control plane logs are kept for 30 and 90 days",
}


@dataclass(frozen=True)
class Outcome:
    """What a tool did and found; or, without a version, the reason why it did not run."""

    tool: str
    did: str
    version: str | None = None
    findings: tuple[str, ...] = ()


def checkov() -> Iterator[Outcome]:
    """Let checkov read Terraform."""
    command = ("checkov", "--directory", str(STACKS), "--framework", "terraform", "--skip-download", "--compact")
    skips = ("--quiet", "--output", "json", "--skip-check", ",".join(CHECKOV_SKIPS))
    done = _run(*CHART_TOOLS, *command, *skips)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        yield Outcome("checkov", f"it cannot be had: {done.stderr.strip()[-300:]}")
        return
    failed = answer.get("results", {}).get("failed_checks", [])
    found = sorted({f"{each['check_id']} {each['check_name']}: {each['resource']}" for each in failed})
    yield from (Outcome(f"checkov's {check}", reason) for check, reason in CHECKOV_SKIPS.items())
    version = _run(*CHART_TOOLS, "checkov", "--version").stdout.strip()
    yield Outcome("checkov", "Terraform", version, tuple(found))


def zizmor() -> Iterator[Outcome]:
    """Let zizmor look for what is unsafe in workflows."""
    told = _run(*INFRA_TOOLS, "zizmor", "--version")
    if told.returncode:
        yield Outcome("zizmor", "its environment cannot be installed")
        return
    done = _run(*INFRA_TOOLS, "zizmor", "--offline", "--quiet", "--format", "plain", ".github")
    yield Outcome("zizmor", "workflows", told.stdout.split()[-1], (done.stdout,) if done.returncode else ())


def actionlint() -> Iterator[Outcome]:
    """Let actionlint read the workflows: their syntax, expressions and inputs. Scripts are for shellcheck, below."""
    told = _run(*INFRA_TOOLS, "actionlint", "-version")
    if told.returncode:
        yield Outcome("actionlint", "its environment cannot be installed")
        return
    done = _run(*INFRA_TOOLS, "actionlint", "-no-color", "-shellcheck=", "-pyflakes=")
    version = told.stdout.splitlines()[0].split()[-1]
    yield Outcome("actionlint", "workflows", version, tuple((done.stdout + done.stderr).splitlines()))


def shellcheck() -> Iterator[Outcome]:
    """Let shellcheck read what the steps of workflows run."""
    told = _run(*CHART_TOOLS, "shellcheck", "--version")
    if told.returncode:
        yield Outcome("shellcheck", "its environment cannot be installed")
        return
    found: list[str] = []
    scripts = list(_scripts())
    with TemporaryDirectory(prefix="steps-") as folder:
        for number, (place, script) in enumerate(scripts):
            path = Path(folder) / f"{number}.sh"
            path.write_text(f"#!/usr/bin/env bash\n{script}", encoding="utf-8")
            done = _run(*CHART_TOOLS, "shellcheck", "--format", "gcc", str(path))
            found += [line.replace(str(path), place) for line in done.stdout.splitlines()]
    version = re.search(r"version: ([\d.]+)", told.stdout)
    yield Outcome("shellcheck", f"{len(scripts)} scripts of workflows", version[1] if version else "?", tuple(found))


def _scripts() -> Iterator[tuple[str, str]]:
    for path in sorted(WORKFLOWS.glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            for number, step in enumerate(job.get("steps", []), start=1):
                if "run" in step:
                    # Expressions are put in before the shell sees the script.
                    yield f"{path.name}: {name}, step {number}", re.sub(r"\$\{\{.*?\}\}", "expression", step["run"])


def hadolint() -> Iterator[Outcome]:
    """Let hadolint read the Dockerfiles that are not the services' own."""
    told = _run(*CHART_TOOLS, "hadolint", "--version")
    if told.returncode:
        yield Outcome("hadolint", "its environment cannot be installed")
        return
    files = [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("examples/*/Dockerfile")]
    done = _run(*CHART_TOOLS, "hadolint", *files)
    yield Outcome("hadolint", ", ".join(files), told.stdout.split()[-1], tuple(done.stdout.splitlines()))


def addons() -> Iterator[Outcome]:
    """Render the add-ons' own charts with Helm, and check their objects against Kubernetes' schemas."""
    done = _run(*CHART_TOOLS, "python", "deploy/verify/addons.py")
    if done.returncode:
        yield Outcome("helm", f"the charts of infra/addons were not rendered: {done.stderr.strip()[-300:]}")
        return
    said = json.loads(done.stdout)
    yield Outcome(f"schemas of {', '.join(said['unknown'])}", "no package has them")
    if "kinds" in said:
        yield Outcome("@kubernetes-models", f"{', '.join(said['kinds'])} of infra/addons", said["schemas"])
    else:
        yield Outcome("schemas of operators' kinds in infra/addons", f"from npm: {said['unreached']}")
    unreached = "no registry of charts is reached; our values are written beside copies of theirs"
    yield Outcome("charts of others in infra/addons", unreached)
    yield Outcome("helm", "infra/addons/charts, with Kubernetes' schemas", said["helm"], tuple(said["findings"]))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
