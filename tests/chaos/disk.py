"""A disk of its own for PostgreSQL's tables, which can be made as small as what is on it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOM = 8 << 30
"""Bytes that it may hold: none is taken before it is used."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A mounted tmpfs; without one, `missing` says why."""

    path: Path
    missing: str = ""

    def fill(self) -> None:
        """Leave no free block."""
        found = os.statvfs(self.path)
        _mount("-o", f"remount,size={(found.f_blocks - found.f_bfree) * found.f_frsize}", str(self.path))

    def free(self) -> None:
        """Give it its room again."""
        _mount("-o", f"remount,size={_ROOM}", str(self.path))


@contextmanager
def small_disk(path: Path, *, wanted: bool) -> Iterator[SmallDisk]:
    """Mount a small disk for as long as the block lasts, if this machine lets us."""
    missing = _why_not(path) if wanted else "nobody asked for it"
    try:
        yield SmallDisk(path, missing)
    finally:
        if not missing:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def _why_not(path: Path) -> str:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root may mount a small disk for PostgreSQL's tables"
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={_ROOM},mode=0700", "tidewheel-chaos", str(path))
    except subprocess.CalledProcessError as error:
        return f"a small disk for PostgreSQL's tables cannot be mounted: {error.stderr.strip()}"
    return ""


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
