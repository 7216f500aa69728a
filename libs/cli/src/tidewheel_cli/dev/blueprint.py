"""Which processes a stack is made of."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process.

    Attributes:
        port_setting: the environment variable that receives the port on which it answers `/readyz`.
        grace: seconds that it may take to finish what it holds when it is stopped.
    """

    name: str
    command: tuple[str, ...]
    port_setting: str = "TIDEWHEEL_HEALTH_PORT"
    grace: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The command that brings the schema up to date, and the services in the order in which they are stopped."""

    migrate: tuple[str, ...]
    services: tuple[Service, ...]


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


TIDEWHEEL = Blueprint(
    migrate=_module("tidewheel_common.store.migrate"),
    services=(
        Service(name="gateway", command=_module("tidewheel_gateway"), port_setting="TIDEWHEEL_PORT"),
        Service(name="scheduler", command=_module("tidewheel_scheduler")),
        Service(name="dispatcher", command=_module("tidewheel_dispatcher")),
        Service(name="executor", command=_module("tidewheel_executor"), grace=20.0),
        Service(name="reaper", command=_module("tidewheel_reaper")),
    ),
)
"""All of Tidewheel. What brings work in stops first, what finishes work stops later."""
