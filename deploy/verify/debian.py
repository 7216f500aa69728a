"""Programs that are in no wheel: from the machine, or out of Debian's packages, unpacked and not installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NEWER = "trixie"
"""The first Debian with Compose v2, and with a Prometheus and an Alertmanager as new as our files ask for."""

_SECONDS = 45.0  # a package of the size of Prometheus
_UNTRUSTING = ("-o", "APT::Sandbox::User=root")  # its own user may not write into our folder


class NotHere(Exception):
    """The program cannot be had on this machine; the message says why."""


@contextmanager
def program(name: str, *packages: str, release: str = "") -> Iterator[Path]:
    """Find a program on the PATH, or take it out of Debian's packages for as long as the block runs.

    Args:
        name: what the program is called.
        packages: what it is taken from; one of them has it, below usr/bin or usr/sbin.
        release: another release of Debian than the machine's, from the machine's own mirror; such a program is never
            taken from the PATH.

    Raises:
        NotHere: it is on no PATH, and the packages cannot be fetched.
    """
    if not release and (found := shutil.which(name)):
        yield Path(found)
        return
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise NotHere(f"{name} is not installed, and there is no {tool} to fetch it with")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as place:
        folder = Path(place)
        _run(folder, "apt-get", "download", *_UNTRUSTING, *(_of_release(folder, release) if release else ()), *packages)
        for package in sorted(folder.glob("*.deb")):
            _run(folder, "dpkg", "-x", package.name, ".")
        places = [folder / below / name for below in ("usr/bin", "usr/sbin")]
        unpacked = next((place for place in places if place.exists()), None)
        if unpacked is None:
            raise NotHere(f"Debian's {packages[0]} has no {name}")
        yield unpacked


@contextmanager
def watcher(name: str, newer: str, own: str) -> Iterator[Path]:
    """Take a program of Prometheus' or Alertmanager's out of a newer Debian, or else have the machine's own.

    Args:
        name: what the program is called.
        newer: the package that has it there.
        own: the package that has it in the machine's own release.

    Raises:
        NotHere: neither can be had.
    """
    with ExitStack() as opened:
        try:
            found = opened.enter_context(program(name, newer, release=NEWER))
        except NotHere:
            found = opened.enter_context(program(name, own))
        yield found


def _of_release(folder: Path, release: str) -> tuple[str, ...]:
    """Read what a release has, into a folder of our own, and return how apt is told to look there."""
    asked = ("--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Component: main", "Label: Debian")
    mirrors = _run(folder, "apt-get", "indextargets", *asked).split()
    if not mirrors:
        raise NotHere("no package list of Debian is here: `apt-get update`, on a Debian")
    (folder / "lists").mkdir()
    (folder / "sources.list").write_text(f"deb {mirrors[0]} {release} main\n", encoding="utf-8")
    places = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": folder / "none",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
    }
    options = tuple(word for name, path in places.items() for word in ("-o", f"{name}={path}"))
    _run(folder, "apt-get", "update", *_UNTRUSTING, *options)
    return options


def _run(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - tools of the system
    except subprocess.TimeoutExpired:
        raise NotHere(f"`{' '.join(command[:2])}` did not end in {_SECONDS:.0f} s") from None
    if done.returncode:
        raise NotHere(f"`{' '.join(command[:2])}` said: {(done.stderr.strip() or 'nothing').splitlines()[-1]}")
    return done.stdout
