"""How Terraform is run: in a copy of the tree, so that the repository stays as it is, and never on real credentials.

Providers come from the registry, or from a folder laid out as a mirror: TIDEWHEEL_TERRAFORM_MIRROR names it. Whatever
TF_CLI_CONFIG_FILE says otherwise holds.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic_settings import BaseSettings

REPOSITORY = Path(__file__).resolve().parents[3]
STACKS = Path("infra/terraform")
MOTO = Path("tests/deploy/infra/moto")
_PATIENCE = 600  # seconds; the provider is large where it has to be fetched


class Surroundings(BaseSettings):
    """What this machine says about Terraform."""

    tidewheel_terraform_mirror: Path | None = None
    tf_plugin_cache_dir: Path | None = None


@dataclass(frozen=True)
class Terraform:
    """A Terraform that can be run in the folders of a tree."""

    tree: Path
    version: str
    environment: Mapping[str, str]

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder of the tree; the answer holds what it said, whatever the exit code."""
        given = (f"{name}={value}" for name, value in self.environment.items())
        command = ("env", *given, "terraform", f"-chdir={folder}", *arguments)
        return subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False, timeout=_PATIENCE)

    def given(self, more: Mapping[str, str]) -> "Terraform":
        """Return the same with more in its environment."""
        return Terraform(self.tree, self.version, {**self.environment, **more})


@contextmanager
def terraform_here(*, fetch: bool) -> Iterator[Terraform | str]:
    """Yield a Terraform that has its provider, or the sentence that says why there is none.

    Args:
        fetch: whether the provider, some 700 MB, may be fetched where neither a mirror nor a cache has it.
    """
    surroundings = Surroundings()
    here = surroundings.tidewheel_terraform_mirror or surroundings.tf_plugin_cache_dir
    if shutil.which("terraform") is None:
        yield "there is no terraform on the PATH"
        return
    if here is None and not fetch:
        yield "its provider is not here; TIDEWHEEL_TERRAFORM_MIRROR or TF_PLUGIN_CACHE_DIR would say where it is"
        return
    with TemporaryDirectory(prefix="tidewheel-infra-") as name:
        tree = Path(name)
        for part in (STACKS, MOTO):
            shutil.copytree(REPOSITORY / part, tree / part, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars"))
        terraform = Terraform(tree, "", _environment(tree, surroundings))
        said = json.loads(terraform.run(Path(), "version", "-json").stdout)
        terraform = Terraform(tree, said["terraform_version"], terraform.environment)
        tried = terraform.run(STACKS / "modules/ecr", "init", "-backend=false")
        yield terraform if tried.returncode == 0 else _no_provider(tried.stderr)


def stacks(tree: Path) -> list[Path]:
    """Return every folder that Terraform can be started in, modules first; the paths are below the tree."""
    below = tree / STACKS
    found = [*below.glob("modules/*/"), below / "state", *below.glob("environments/*/")]
    return [path.relative_to(tree) for path in found]


def _environment(tree: Path, surroundings: Surroundings) -> dict[str, str]:
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHECKPOINT_DISABLE": "true",
        "TF_IN_AUTOMATION": "true",
        "TF_CLI_ARGS": "-no-color",
        "TF_INPUT": "0",
    }
    mirror = surroundings.tidewheel_terraform_mirror
    if mirror is None:
        cache = surroundings.tf_plugin_cache_dir or tree / "providers"
        cache.mkdir(exist_ok=True)
        return {**environment, "TF_PLUGIN_CACHE_DIR": str(cache)}
    config = tree / "terraform.rc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror.resolve()}" }}\n}}\n', encoding="utf-8"
    )
    return {**environment, "TF_CLI_CONFIG_FILE": str(config)}


def _no_provider(said: str) -> str:
    reason = " ".join(line.strip("│╷╵ ") for line in said.splitlines()).strip()
    return f"the AWS provider cannot be had (set TIDEWHEEL_TERRAFORM_MIRROR to a mirror of it): {reason[:300]}"
