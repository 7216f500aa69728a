"""Who PostgreSQL runs as.

It refuses uid 0, and `initdb` refuses a uid without a name. Both are solved without creating a user or opening a
directory: inside a user namespace the process has another uid, and outside it is still us, so the data stay private.
Where namespaces are refused (some containers), root falls back to the user `nobody`.
"""

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tidewheel_cli.embedded import launch
from tidewheel_cli.embedded.program import SAME
from tidewheel_cli.errors import CannotStart

NOBODY = 65534


def choose_identity(reaches: Sequence[Path]) -> str:
    """Choose the identity under which PostgreSQL can run and reach the given paths.

    Raises:
        CannotStart: there is none.
    """
    uid = os.geteuid()
    if uid != 0 and _has_name(uid):
        return SAME
    named = next((entry.pw_uid for entry in reversed(pwd.getpwall()) if entry.pw_uid != 0), None)
    if named is not None and _is_granted(f"namespace:{named}"):
        return f"namespace:{named}"
    if uid != 0:
        raise CannotStart(
            f"PostgreSQL needs a user with a name, and uid {uid} has none here: "
            "add it to /etc/passwd or run as another user."
        )
    shut = first_shut(reaches)
    if shut is not None:
        raise CannotStart(
            "PostgreSQL does not run as root, this system refuses user namespaces, and other users cannot enter "
            f"{shut}: run as another user, or keep the program and its --state-dir where everybody may enter."
        )
    return f"user:{NOBODY}"


def first_shut(paths: Sequence[Path]) -> Path | None:
    """Return the first directory on the way to the paths that other users cannot enter."""
    for path in paths:
        for parent in reversed(path.absolute().parents):
            if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH:
                return parent
    return None


def give(path: Path, identity: str) -> None:
    """Make a file or a directory, with all in it, belong to an identity."""
    owner = NOBODY if identity.startswith("user:") else os.geteuid()
    if path.stat().st_uid == owner:
        return
    for each in (path, *path.rglob("*")):
        os.chown(each, owner, owner if owner == NOBODY else -1, follow_symlinks=False)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _is_granted(identity: str) -> bool:
    command = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "9", identity, sys.executable, "-V")
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own file
