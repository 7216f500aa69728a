"""Becomes another program that dies with its parent, under another identity if need be.

It runs as a file, not as a module (`python -I -S launch.py …`), so it starts in a few milliseconds and imports
nothing of ours. The order matters: the kernel forgets the death signal whenever a process changes its credentials, so
the identity comes first and the death signal last (prctl(2), PR_SET_PDEATHSIG).

Usage: launch.py PARENT_PID DEATH_SIGNAL IDENTITY PROGRAM [ARGUMENT…]
"""

import ctypes
import os
import signal
import sys

REFUSED = 125
"""Exit code: the kernel refused the identity."""

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Take the identity, tie this process to its parent and become the program."""
    parent, death_signal, identity, *command = arguments
    _take(identity)
    if sys.platform == "linux":
        _die_with_parent(int(parent), int(death_signal))
    # A shell that starts a job in the background makes it ignore SIGINT; that would be inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - becoming the program is what this file is for


def _take(identity: str) -> None:
    kind, _, number = identity.partition(":")
    try:
        if kind == "namespace":
            _enter_namespace(int(number))
        elif kind == "user":
            os.setgroups([])
            os.setgid(int(number))
            os.setuid(int(number))
    except OSError as error:
        sys.stderr.write(f"The kernel refused the identity {identity}: {error}\n")
        sys.exit(REFUSED)


def _enter_namespace(uid: int) -> None:
    """Be `uid` inside a user namespace, and stay who we are outside (user_namespaces(7))."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outside_uid} 1"),
        ("gid_map", f"{uid} {outside_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes longer to import
            file.write(content)


def _die_with_parent(parent: int, death_signal: int) -> None:
    _call("prctl", _PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew of the wish
        sys.exit(1)


def _call(name: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*(ctypes.c_ulong(argument) for argument in arguments)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
