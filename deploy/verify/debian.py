"""Programs that are in no wheel: from the machine, or out of Debian's packages, unpacked and not installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 45.0  # a package of the size of Prometheus


class NotHere(Exception):
    """The program cannot be had on this machine; the message says why."""


@contextmanager
def program(name: str, *packages: str) -> Iterator[Path]:
    """Find a program on the PATH, or take it out of Debian's packages for as long as the block runs.

    Args:
        name: what the program is called.
        packages: what it is taken from; the first one has it, below usr/bin or usr/sbin.

    Raises:
        NotHere: it is on no PATH, and the packages cannot be fetched.
    """
    if found := shutil.which(name):
        yield Path(found)
        return
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise NotHere(f"{name} is not installed, and there is no {tool} to fetch it with")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        _run(Path(folder), "apt-get", "download", "-o", "APT::Sandbox::User=root", *packages)
        for package in sorted(Path(folder).glob("*.deb")):
            _run(Path(folder), "dpkg", "-x", package.name, ".")
        places = [Path(folder) / place / name for place in ("usr/bin", "usr/sbin")]
        unpacked = next((place for place in places if place.exists()), None)
        if unpacked is None:
            raise NotHere(f"Debian's {packages[0]} has no {name}")
        yield unpacked


def _run(folder: Path, *command: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - tools of the system
    except subprocess.TimeoutExpired:
        raise NotHere(f"`{' '.join(command)}` did not end in {_SECONDS:.0f} s") from None
    if done.returncode:
        raise NotHere(f"`{' '.join(command)}` said: {(done.stderr.strip() or 'nothing').splitlines()[-1]}")
