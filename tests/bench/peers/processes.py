"""The processes below one: what they have cost, and how they are held and let go."""

import os
import resource
import signal
from collections import defaultdict
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_of_descendants() -> float:
    """Return the CPU seconds that all processes below this one have taken, also those that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(sum(map(int, _fields(pid)[11:15])) for pid in descendants(os.getpid()))
    return ended.ru_utime + ended.ru_stime + ticks / _TICK


def descendants(root: int) -> list[int]:
    """Return the processes below one, parents before children."""
    children = defaultdict(list)
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _fields(int(path.name))):
            children[int(fields[1])].append(int(path.name))
    found, queue = [], [root]
    while queue:
        queue.extend(below := children[queue.pop()])
        found.extend(below)
    return found


def hold(pids: list[int]) -> None:
    """Stop processes where they stand."""
    _signal(pids, signal.SIGSTOP)


def let_go(pids: list[int]) -> None:
    """Let held processes go on."""
    _signal(pids, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def _fields(pid: int) -> list[str]:
    """Return the fields of proc_pid_stat(5) from the third on; [11:15] is the CPU time, also that of dead children."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["", "0", *["0"] * 20]
