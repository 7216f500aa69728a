"""The objects of operators (KEDA, cert-manager, …), held against their own schemas, which npm has."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("operators")
GROUPS: dict[str, str] = json.loads((_FOLDER / "groups.json").read_text(encoding="utf-8"))
"""Groups of the API that Kubernetes itself does not know, and which package has the schemas of each."""

_FETCH = 120.0  # seconds; thirty small packages

Manifest = dict[str, Any]


class NoSchemas(Exception):
    """They cannot be had on this machine; the message says why."""


def knows(manifest: Manifest) -> bool:
    """Tell whether the packages have a schema for an object's kind."""
    return str(manifest["apiVersion"]).partition("/")[0] in GROUPS


def versions() -> str:
    """Return which packages have the schemas."""
    named: dict[str, str] = json.loads((_FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return ", ".join(f"{name.rpartition('/')[2]} {number}" for name, number in named.items())


def refusals(manifests: list[Manifest]) -> list[str | None]:
    """Return what the operator of each object would refuse about it: a wrong type or word, a field that is missing.

    Raises:
        NoSchemas: there is no Node.js, or the packages cannot be fetched.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise NoSchemas(f"there is no {tool}")
    with tempfile.TemporaryDirectory(prefix="operators-") as folder:
        here = Path(folder)
        shutil.copytree(_FOLDER, here, dirs_exist_ok=True)
        _run(here, "", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        found: list[str | None] = json.loads(_run(here, json.dumps(manifests), "node", "validate.mjs"))
    return found


def _run(folder: Path, text: str, *command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - tools of ours
            command, cwd=folder, input=text, capture_output=True, text=True, check=False, timeout=_FETCH
        )
    except subprocess.TimeoutExpired:
        raise NoSchemas(f"`{' '.join(command[:2])}` did not end in {_FETCH:.0f} s") from None
    if done.returncode:
        raise NoSchemas(f"`{' '.join(command[:2])}` said: {(done.stderr.strip() or 'nothing').splitlines()[0]}")
    return done.stdout
