"""Where a running stack is: the file `stack.json` in its state directory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tidewheel_cli.embedded.files import is_held, write_private

_NAME = "stack.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All that is needed to use a running stack. Secret: it holds a key and passwords.

    Attributes:
        pid: the process that keeps the others running.
        services: the others by name, servers of our own included; one that has died keeps its number until it is
            started again.
    """

    api_url: str
    api_key: str = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    pid: int
    services: Mapping[str, int]


def read_stack(state_dir: Path) -> Stack | None:
    """Return the stack that runs on a state directory, if one does and is ready."""
    try:
        stack = Stack(**json.loads((state_dir / _NAME).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    # Asked last: the question takes the lock for a moment, which a stack that is just starting would find taken.
    return stack if is_held(state_dir) else None


class Bulletin:
    """Tells others where our stack is, readable for its owner only; nothing before there is a stack to tell of."""

    def __init__(self, state_dir: Path) -> None:
        self.stack: Stack | None = None
        self._file = state_dir / _NAME
        self._file.unlink(missing_ok=True)  # of a stack that was killed

    def publish(self, services: Mapping[str, int]) -> None:
        """Tell of the stack with the processes that it has now."""
        if self.stack is not None:
            stack = asdict(replace(self.stack, services=services))
            write_private(self._file, f"{json.dumps(stack, indent=2)}\n")

    def withdraw(self) -> None:
        """Tell nobody any more."""
        self.stack = None
        self._file.unlink(missing_ok=True)
