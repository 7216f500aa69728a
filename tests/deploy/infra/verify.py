"""`make verify-infra`: Terraform, add-ons and workflows, checked with the real tools. Prints what ran and what did not.

Exit codes: 0 all that could run was content, 1 something is wrong.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.deploy.infra import linters
from tests.deploy.infra.linters import INFRA_TOOLS as TOOLS
from tests.deploy.infra.standin import UNSERVED
from tests.deploy.infra.standin import findings as moto_findings
from tests.deploy.infra.standin import modules as moto_modules
from tests.deploy.infra.terraform import Terraform, stacks, terraform_here

LINTERS = (
    linters.checkov,
    linters.addons,
    linters.hadolint,
    linters.zizmor,
    linters.actionlint,
    linters.shellcheck,
)


def main() -> int:
    """Check everything that can be checked here."""
    with terraform_here(fetch=True) as terraform:
        outcomes = list(_terraform(terraform))
    for linter in LINTERS:
        outcomes += [_told(each) for each in linter()]
    return int(not all(outcomes))


def _terraform(terraform: Terraform | str) -> Iterable[bool]:
    if isinstance(terraform, str):
        _say("skipped", f"terraform: {terraform}")
        return
    name = f"terraform {terraform.version}"
    yield _ran(f"{name}: fmt", formatting(terraform))
    folders = stacks(terraform.tree)
    yield _ran(
        f"{name}: init and validate of {len(folders)} folders", [x for at in folders for x in validation(terraform, at)]
    )
    tested = [at for at in folders if (terraform.tree / at / "tests").is_dir()]
    yield _ran(f"{name}: test of {len(tested)} modules", [x for at in tested for x in _tests(terraform, at)])
    moto = _moto_version()
    if moto is None:
        _say("skipped", "moto: its environment cannot be installed")
        return
    yield _ran(
        f"{name} on moto {moto}: {moto_modules()}, from apply to destroy, with the guard", [*moto_findings(terraform)]
    )
    for module, reason in UNSERVED.items():
        _say("skipped", f"moto for {module}: {reason}; `terraform test` has it")


def formatting(terraform: Terraform) -> list[str]:
    """Return the files that `terraform fmt` would change."""
    done = terraform.run(terraform.tree, "fmt", "-check", "-recursive")
    return [f"{path}: terraform fmt would change it" for path in done.stdout.splitlines()]


def validation(terraform: Terraform, folder: Path) -> list[str]:
    """Return what is wrong with a folder's configuration."""
    for command in (("init", "-backend=false"), ("validate",)):
        done = terraform.run(folder, *command)
        if done.returncode:
            return [f"{folder}: {command[0]}: {done.stderr}"]
    return []


def _tests(terraform: Terraform, folder: Path) -> list[str]:
    done = terraform.run(folder, "test")
    return [f"{folder}: {done.stdout}{done.stderr}"] if done.returncode else []


def _moto_version() -> str | None:
    ask = "from importlib.metadata import version; print(version('moto'))"
    done = subprocess.run((*TOOLS, "python", "-c", ask), capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.strip()


def _told(outcome: linters.Outcome) -> bool:
    if outcome.version is None:
        _say("skipped", f"{outcome.tool}: {outcome.did}")
        return True
    return _ran(f"{outcome.tool} {outcome.version}: {outcome.did}", list(outcome.findings))


def _ran(what: str, found: list[str]) -> bool:
    _say("FAILED" if found else "ok", what)
    for finding in found:
        _say("", finding)
    return not found


def _say(outcome: str, line: str) -> None:
    sys.stdout.write(f"{outcome:8}{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
