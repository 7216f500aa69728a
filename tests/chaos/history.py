"""What clients asked for and were told, on disk before anybody acts on it."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class History:
    """An append-only file; a note counts once it is synced.

    Args:
        path: the file, of one client alone.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    async def note(self, what: str, op: str, **facts: Any) -> None:
        """Write a line and wait for the disk."""
        self._file.write(json.dumps({"what": what, "op": op, **facts}).encode() + b"\n")
        await asyncio.to_thread(os.fdatasync, self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True, kw_only=True)
class Op:
    """One submit, with all its repetitions.

    Attributes:
        op: its idempotency key; its tasks carry it as their first tag.
        kinds: of its tasks, in order.
        ids: as the first good answer named them; empty before.
        other_ids: every later good answer that named others.
        refused: it was told for certain that nothing was accepted.
        unknown: how many answers were lost or said nothing for certain.
        cancelled: ids that somebody was told are cancelled.
    """

    op: str
    tenant: str
    kinds: list[str]
    due: list[float]
    ids: list[str] = field(default_factory=list)
    other_ids: list[list[str]] = field(default_factory=list)
    refused: bool = False
    unknown: int = 0
    cancelled: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)


def read_history(path: Path) -> dict[str, Op]:
    """Put a client's notes together, submit by submit."""
    ops: dict[str, Op] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        _apply(ops, json.loads(line))
    return ops


def _apply(ops: dict[str, Op], note: Mapping[str, Any]) -> None:
    what = note["what"]
    if what == "invoke":
        ops[note["op"]] = Op(op=note["op"], tenant=note["tenant"], kinds=note["kinds"], due=note["due"])
        return
    op = ops[note["op"]]
    if what == "ok" and not op.ids:
        op.ids = note["ids"]
    elif what == "ok" and op.ids != note["ids"]:
        op.other_ids.append(note["ids"])
    elif what == "fail":
        op.refused = True
        op.statuses.append(note["status"])
    elif what == "info":
        op.unknown += 1
        op.statuses.append(note.get("status", 0))
    elif what == "cancelled":
        op.cancelled.add(note["task"])
