"""Log files: one per process and start of the stack, the older ones beside it."""

from pathlib import Path

KEPT = 3
"""How many older logs of each process stay."""


def rotate(log: Path) -> None:
    """Move `name.log` to `name.log.1`, that to `name.log.2`, and so on; the oldest goes."""
    for number in range(KEPT, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        newer = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)
