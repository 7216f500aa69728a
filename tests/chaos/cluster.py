"""The system under test: real processes on servers of their own, every link through a proxy."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.clocks import Clocks
from tests.chaos.disk import SmallDisk
from tests.chaos.proxy import Proxy

from tidewheel_cli.dev.crew import Crew
from tidewheel_cli.dev.readiness import is_ready
from tidewheel_cli.embedded.ports import LOOPBACK

CLIENT_LINK = "client-gateway"

VALKEYS = ("valkey", "valkey-2")
"""The two servers of which one is in use; the other one waits to take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many of what, and with which settings.

    Attributes:
        executors: how many there are.
        concurrency: children of each.
        settings: environment variables for the services.
        machine: whether faults of the machine are wanted, clocks and a disk, as far as it allows them.
    """

    executors: int = 2
    concurrency: int = 3
    settings: Mapping[str, str] = field(default_factory=dict)
    machine: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """Their names, in the order in which they are stopped."""
        return ("gateway", "scheduler", "dispatcher", *(f"executor-{n + 1}" for n in range(self.executors)), "reaper")


@dataclass(frozen=True, slots=True)
class Store:
    """A Valkey of the cluster: its address, past every proxy, and its append-only files."""

    url: str
    port: int
    files: Path


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A running cluster.

    Attributes:
        database_url: PostgreSQL itself, past every proxy; for the rig.
        stores: both Valkeys by the name of their process.
        primary: the one that is in use.
        api_keys: of each tenant.
        links: the proxies by name, `<service>-postgres`, `<service>-redis` and `client-gateway`.
        deaths: what the supervisor has said of processes that ended.
        clocks: move what the services' own clocks show.
        disk: what PostgreSQL's tables are on.
    """

    directory: Path
    shape: Shape
    database_url: str
    stores: Mapping[str, Store]
    api_keys: Mapping[str, str]
    links: Mapping[str, Proxy]
    crew: Crew
    ready_ports: Mapping[str, int]
    deaths: list[str]
    clocks: Clocks
    disk: SmallDisk
    primary: str = VALKEYS[0]

    @property
    def api_url(self) -> str:
        """Where clients submit: the proxy in front of the gateway."""
        return f"http://{LOOPBACK}:{self.links[CLIENT_LINK].port}"

    @property
    def redis_url(self) -> str:
        """The Valkey that is in use, past every proxy."""
        return self.stores[self.primary].url

    @property
    def valkey_files(self) -> Path:
        """The append-only files of the Valkey that is in use."""
        return self.stores[self.primary].files

    @property
    def spare(self) -> str:
        """The Valkey that waits to take over."""
        return next(name for name in self.stores if name != self.primary)

    @property
    def ledger(self) -> Path:
        """What the handlers really did."""
        return self.directory / "ledger"

    @property
    def logs(self) -> Path:
        """What the processes said."""
        return self.directory / "logs"

    def take_over(self) -> None:
        """Use the spare from now on: every link leads to it, and what led to the other one is dropped."""
        self.primary = self.spare
        for name, link in self.links.items():
            if name.endswith("-redis"):
                link.target = self.stores[self.primary].port
                link.reset()

    def pid(self, name: str) -> int:
        """The process id of a service, of `postgres`, or of the `valkey` that is in use."""
        return self.crew.pids[self.primary if name == "valkey" else name]

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process; one that has just died is none."""
        try:
            os.kill(self.pid(name), number)
        except ProcessLookupError:
            return

    def send_group(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        try:
            os.killpg(self.pid(name), number)
        except ProcessLookupError:
            return

    def children(self, name: str) -> list[int]:
        """The process ids of a service's children, in order."""
        pid = self.pid(name)
        try:
            return sorted(int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except FileNotFoundError:
            return []

    async def is_whole(self) -> bool:
        """Tell whether every service is ready."""
        return all(await asyncio.gather(*(is_ready(port) for port in self.ready_ports.values())))
