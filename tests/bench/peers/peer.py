"""A compared system: its folder has `program.py`, `peer.toml` and, unless it is Tidewheel, locked requirements."""

import importlib.metadata
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOM = Path(__file__).parent
REPOSITORY = ROOM.parents[2]
TIDEWHEEL = "tidewheel"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What is known of a compared system before it runs.

    Attributes:
        key: the name of its folder.
        package: the distribution whose version is shown.
        stores: what it keeps tasks in.
        workers: how many processes are started as `work`.
        recorders: how many processes run handlers, all workers together.
        services: how many processes must run besides.
        environment: variables that its processes get, for settings that it takes only there.
        share: the part of the tasks that it gets; a slow system's rate needs fewer.
        settings: how it was set up to be fast, for readers.
        without: what it does not do, for readers.
        published: what its makers or others have published, and of which kind that figure is.
    """

    key: str
    name: str
    package: str
    stores: str
    workers: int
    recorders: int
    services: int
    environment: dict[str, str] = field(default_factory=dict)
    share: float
    settings: str
    without: tuple[str, ...]
    published: str

    @classmethod
    def read(cls, key: str) -> "Peer":
        found = tomllib.loads((ROOM / key / "peer.toml").read_text(encoding="utf-8"))
        return cls(key=key, **{**found, "without": tuple(found["without"])})

    @property
    def lock(self) -> Path | None:
        """Its requirements with hashes; none when it runs in our own environment."""
        path = ROOM / self.key / "requirements.txt"
        return path if path.exists() else None

    @property
    def module(self) -> str:
        return f"tests.bench.peers.{self.key}.program"

    @cached_property
    def version(self) -> str:
        """The locked version of its package, or the version of the code that runs this."""
        if self.lock is None:
            return importlib.metadata.version(self.package)
        found = re.search(rf"^{re.escape(self.package)}==(\S+)", self.lock.read_text(encoding="utf-8"), re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.lock} does not lock {self.package}.")
        return found[1]


def all_peers() -> list[Peer]:
    """Return every compared system, by name of its folder."""
    return [Peer.read(path.parent.name) for path in sorted(ROOM.glob("*/peer.toml"))]
