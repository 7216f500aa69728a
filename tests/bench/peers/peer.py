"""A compared system: its folder has `program.py`, `peer.toml` and, unless it is Tidewheel, locked requirements.

What a sweep may change of it is its grid, in `peer.toml`; what a sweep has chosen stands in `settings.json`.
"""

import importlib.metadata
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

ROOM = Path(__file__).parent
REPOSITORY = ROOM.parents[2]
TIDEWHEEL = "tidewheel"

Setting = str | int | bool
Settings = Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What is known of a compared system before it runs.

    Attributes:
        key: the name of its folder.
        package: the distribution whose version is shown.
        stores: what it keeps tasks in.
        services: how many processes must run besides the workers.
        environment: variables that its processes get, for settings that it takes only there; may name settings.
        share: the part of the tasks that it gets; a slow system's rate needs fewer.
        sweep_tasks: how many tasks each phase of a trial in a sweep has.
        told: how it is set up to be fast, for readers; names settings.
        without: what it does not do, for readers.
        sources: where that is written, or from what it was inferred, for readers.
        published: what its makers or others have published, and of which kind that figure is.
        grid: what a sweep tries of each setting, the settings that matter most first.
        chosen: the settings that it runs with.
    """

    key: str
    name: str
    package: str
    stores: str
    services: int
    environment: Mapping[str, str] = field(default_factory=dict)
    share: float
    sweep_tasks: int = 0
    told: str
    without: tuple[str, ...]
    sources: tuple[str, ...]
    published: str
    grid: Mapping[str, Sequence[Setting]] = field(default_factory=dict)
    chosen: Settings = field(default_factory=dict)

    @classmethod
    def read(cls, key: str) -> "Peer":
        found = tomllib.loads((ROOM / key / "peer.toml").read_text(encoding="utf-8"))
        texts = {name: tuple(found[name]) for name in ("without", "sources")}
        peer = cls(key=key, **{**found, **texts})
        if not peer.grid:
            return peer
        return peer.set_to(json.loads(peer.settings_file.read_text(encoding="utf-8"))["chosen"])

    def set_to(self, settings: Settings) -> "Peer":
        """Return the same system with other settings."""
        return replace(self, chosen=settings)

    @property
    def settings_file(self) -> Path:
        """What a sweep has found."""
        return ROOM / self.key / "settings.json"

    @property
    def workers(self) -> int:
        """How many processes are started as `work`."""
        return int(self.chosen.get("workers", 1))

    @property
    def variables(self) -> dict[str, str]:
        """What the environment of its processes says."""
        return {name: text.format(**self.chosen) for name, text in self.environment.items()}

    @property
    def setup(self) -> str:
        """How it is set up, for readers."""
        return self.told.format(**self.chosen)

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
