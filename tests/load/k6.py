"""How k6 is run: the one on the PATH, else the one that uv.lock names, which uv fetches into its cache."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.load.plan import HERE

_REPOSITORY = HERE.parents[1]


def k6() -> tuple[str, ...]:
    """Return the command that is k6."""
    installed = shutil.which("k6")
    if installed is not None:
        return (installed,)
    uv = str(Path(sys.executable).with_name("uv"))
    return (uv, "run", "--quiet", "--project", str(_REPOSITORY), "--isolated", "--locked", "--only-group", "load", "k6")


def k6_run(scenario: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs a scenario with k6; the environment is added to what it inherits."""
    given = (f"{name}={value}" for name, value in environment.items())
    return ("env", *given, *k6(), "run", "--quiet", "--no-usage-report", str(HERE / f"{scenario}.js"))
