"""Files that only their owner may read, and the lock that keeps a directory to one stack."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tidewheel_cli.errors import CannotStart


def private_directory(path: Path) -> Path:
    """Make a directory for our eyes only, unless it exists, and return its absolute path."""
    path = path.absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file at once: a reader sees the old text or the new one, and never another user."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the secret that a file keeps; the first time, make it."""
    if not path.exists():
        private_directory(path.parent)
        write_private(path, make())
    return path.read_text(encoding="utf-8")


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a state directory for this process alone; the kernel lets go of it when the process ends.

    Raises:
        CannotStart: another process holds it.
    """
    descriptor = os.open(private_directory(directory) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"Another stack is running on {directory}: stop it, or give this one its own --state-dir."
            ) from None
        yield
    finally:
        os.close(descriptor)


def is_held(directory: Path) -> bool:
    """Tell whether a process holds a state directory."""
    if not (directory / "lock").exists():
        return False
    try:
        with held(directory):
            return False
    except CannotStart:
        return True
