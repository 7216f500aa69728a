"""What a stack is started with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEMO_HANDLERS = "tidewheel_executor.demo"
"""Always served, so that the curl line that is printed works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of whoever starts a stack.

    Attributes:
        state_dir: keeps data, secrets and logs; a stack holds it for itself.
        port: the gateway's; 0 for any free one.
        handlers: modules with handlers, comma-separated, besides those of the demo.
        environment: what the processes inherit; `TIDEWHEEL_DATABASE_URL`, `TIDEWHEEL_REDIS_URL`, `TIDEWHEEL_KEYS` and
            `TIDEWHEEL_BOOTSTRAP_API_KEY` in it win over servers and secrets of our own.
    """

    state_dir: Path
    port: int = 8080
    handlers: str = ""
    environment: Mapping[str, str]

    @property
    def all_handlers(self) -> str:
        """The modules that the executor imports."""
        return ",".join(module for module in (DEMO_HANDLERS, self.handlers) if module)
