"""Installs what Tidewheel's charts stand on, with Helm, in the cluster that kubectl points at.

    python3 infra/addons/install.py addons.json            # all, in order; again: upgrades what has changed
    python3 infra/addons/install.py addons.json --only keda
    python3 infra/addons/install.py addons.json --remove   # before the cluster is destroyed: the load balancer goes too

addons.json is what `terraform output -json addons` prints. It needs Helm 4 and nothing but Python itself.
Exit codes: 0 done, 1 Helm failed (what was installed before stays), 2 it cannot be done as it was asked.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FACTS = frozenset({"certificate", "cluster", "environment", "region", "secrets", "traces", "volumes_key"})


class Unusable(Exception):
    """What was given cannot be worked with; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """One chart as it is to stand in the cluster; of ours when it has no repository.

    Attributes:
        files: values whose text is a file of the repository.
    """

    name: str
    chart: str
    namespace: str
    repository: str | None = None
    version: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def installation(self, values: Path) -> tuple[str, ...]:
        """Return the command that installs it, or upgrades it, and goes back when it does not get ready."""
        chart = str(HERE / self.chart) if self.repository is None else self.chart
        source = () if self.repository is None else ("--repo", self.repository, "--version", str(self.version))
        place = ("--namespace", self.namespace, "--values", str(values))
        files = (word for value, path in self.files.items() for word in ("--set-file", f"{value}={ROOT / path}"))
        return (
            "helm",
            "upgrade",
            "--install",
            self.name,
            chart,
            *source,
            *place,
            *files,
            "--rollback-on-failure",
            "--wait",
            "--timeout",
            "10m",
        )

    def removal(self) -> tuple[str, ...]:
        """Return the command that takes it away."""
        return (
            "helm",
            "uninstall",
            self.name,
            "--namespace",
            self.namespace,
            "--ignore-not-found",
            "--wait",
            "--timeout",
            "10m",
        )

    def values(self, facts: Mapping[str, str]) -> str:
        """Return its values with the facts put in."""
        return Template((HERE / "values" / f"{self.name}.yaml").read_text(encoding="utf-8")).substitute(facts)


def releases() -> list[Release]:
    """Return what is to be installed, in order."""
    listed = tomllib.loads((HERE / "releases.toml").read_text(encoding="utf-8"))
    return [Release(**each) for each in listed["release"]]


def facts_of(path: Path) -> dict[str, str]:
    """Read what Terraform said.

    Raises:
        Unusable: the file is not that.
    """
    try:
        facts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unusable(f"{path} cannot be read: {error}. `terraform output -json addons > {path}` makes it.") from None
    if missing := FACTS - set(facts):
        raise Unusable(
            f"{path} lacks {', '.join(sorted(missing))}: is it the output `addons` of this commit's Terraform?"
        )
    return facts


def meant(only: str | None) -> list[Release]:
    """Return all releases, or the one that was asked for.

    Raises:
        Unusable: there is none of that name.
    """
    every = releases()
    chosen = [each for each in every if only in (None, each.name)]
    if not chosen:
        raise Unusable(f"There is no {only}; there are {', '.join(each.name for each in every)}.")
    return chosen


def commands(
    chosen: list[Release], facts: Mapping[str, str], *, remove: bool, folder: Path
) -> Iterator[tuple[str, ...]]:
    """Yield the commands in their order; the values that they name lie in the folder by then."""
    if remove:
        yield from (each.removal() for each in reversed(chosen))
        return
    for each in chosen:
        values = folder / f"{each.name}.yaml"
        values.write_text(each.values(facts), encoding="utf-8")
        yield each.installation(values)


def main() -> int:
    """Install, upgrade or remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facts", type=Path, help="what `terraform output -json addons` printed")
    parser.add_argument("--only", metavar="NAME", help="one of the releases of releases.toml")
    parser.add_argument("--remove", action="store_true", help="take away instead, the last first")
    asked = parser.parse_args()
    try:
        facts, chosen = facts_of(asked.facts), meant(asked.only)
        with tempfile.TemporaryDirectory(prefix="addons-") as folder:
            for command in commands(chosen, facts, remove=asked.remove, folder=Path(folder)):
                sys.stderr.write(f"{' '.join(command[:4])}\n")
                if subprocess.run(command, check=False).returncode:  # noqa: S603 - Helm, with releases of ours
                    return 1
    except FileNotFoundError:
        sys.stderr.write("There is no helm on the PATH; it needs Helm 4 (https://helm.sh).\n")
        return 2
    except Unusable as reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
