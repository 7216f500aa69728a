"""One environment for each peer, made from its lock at the first run and kept beside the state of `make up`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.peers.peer import REPOSITORY

CACHE = REPOSITORY / ".tidewheel" / "peers"


class CannotInstall(Exception):
    """An environment could not be made; the message is what uv said."""


def python_of(name: str, lock: Path | None) -> Path:
    """Return the interpreter of the environment that a lock describes; make the environment unless it exists.

    Args:
        name: names the environment's directory.
        lock: requirements with hashes; None means the environment of this process.

    Raises:
        CannotInstall: the package index is away, or has not what the lock says.
    """
    if lock is None:
        return Path(sys.executable)
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = CACHE / f"{name}-{digest}"
    python = environment / "bin" / "python"
    ready = environment / "installed"
    if not ready.exists():
        _uv("venv", "--clear", "--python", sys.executable, str(environment))
        _uv("pip", "sync", "--require-hashes", "--compile-bytecode", "--python", str(python), str(lock))
        ready.touch()
    return python


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        (str(Path(sys.executable).with_name("uv")), "--quiet", *arguments),
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},  # noqa: TID251 - for uv
    )
    if done.returncode != 0:
        raise CannotInstall(done.stderr.strip() or f"uv {arguments[0]} ended with {done.returncode}.")
