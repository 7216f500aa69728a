"""The alerts of the charts, held against Prometheus' own tool: are they well made, do they fire when they should?"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HELM = Path(__file__).resolve().parents[1] / "helm"
TESTS = Path(__file__).with_name("alerts.test.yaml")
RUNBOOKS = HELM.parents[1] / "docs" / "operations"

MUST_SAY = {"summary", "description", "runbook_url"}

Rule = dict[str, Any]


def rule_files() -> list[Path]:
    """Return the files of all charts that have alerts."""
    return sorted(HELM.glob("*/files/alerts.yaml"))


def rules() -> list[Rule]:
    """Return every alert of every chart."""
    groups = [group for path in rule_files() for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def unsaid() -> Iterator[str]:
    """Find what an alert does not say to whom it wakes, and which alert is not tested."""
    tested = TESTS.read_text(encoding="utf-8")
    names = [rule["alert"] for rule in rules()]
    for rule in rules():
        name = rule["alert"]
        if lacking := MUST_SAY - set(rule["annotations"]):
            yield f"{name} has no {', '.join(sorted(lacking))}."
            continue
        if rule["labels"].get("severity") not in ("page", "ticket"):
            yield f"{name} is neither a page nor a ticket."
        if not _written(rule["annotations"]["runbook_url"]):
            yield f"{name}: there is no {rule['annotations']['runbook_url']}."
        if names.count(name) > 1:
            yield f"There are two alerts {name}."
        if not re.search(rf"alertname: {name}\n(?: +eval_time: .*\n)? +exp_alerts:\n", tested):
            yield f"{name}: no test in {TESTS.name} sees it fire."


def _written(runbook: str) -> bool:
    page, _, anchor = runbook.removeprefix("docs/operations/").partition("#")
    text = (RUNBOOKS / page).read_text(encoding="utf-8") if (RUNBOOKS / page).exists() else ""
    return anchor in {heading.lower() for heading in re.findall(r"^#+ (\w+)$", text, re.MULTILINE)}


def checked(promtool: Path, folder: Path) -> list[str]:
    """Let promtool check the rules, and run their tests in a folder of its own."""
    files = [_copied(path, folder / f"{path.parents[1].name}.yaml") for path in rule_files()]
    test = _copied(TESTS, folder / TESTS.name)
    found = []
    for command in (("check", "rules", *(str(path) for path in files)), ("test", "rules", str(test))):
        done = subprocess.run((str(promtool), *command), cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - a tool of ours
        if done.returncode:
            found += [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return found


def version_of(promtool: Path) -> str:
    """Return which promtool it is."""
    said = subprocess.run((str(promtool), "--version"), capture_output=True, text=True, check=True)  # noqa: S603 - as above
    return (said.stdout + said.stderr).split("version ", 1)[1].split(" ", 1)[0]


def _copied(path: Path, to: Path) -> Path:
    to.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return to
