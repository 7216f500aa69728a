"""The charts, rendered once for all tests of them."""

from types import ModuleType

import pytest
from tests.deploy.charts import ROOT, Manifest, NoHelm, imported, render
from tests.deploy.cluster import APPLICATIONS, SERVICES

from tidewheel_cli.embedded.ports import free_ports

# Neither server of the tests has TLS; everything else is as the charts have it.
_PLAIN = {"database": {"sslMode": "prefer", "ca": {"configMap": ""}}, "redis": {"ca": {"configMap": ""}}}
_SCALED = {"autoscaling": {"by": "backlog", "prometheus": "http://prometheus:9090"}}
_HANDLERS = {
    "settings": {"handlers": ["reminders.handlers", "tidewheel_executor.demo"], "concurrency": 2},
    "secretEnvironment": {"REMINDERS_DATABASE_URL": "reminders-database-url"},
}
_AUTHORITY = "tidewheel-gateway-ca"


@pytest.fixture(scope="session")
def certs() -> ModuleType:
    """What `make certs` runs."""
    return imported(ROOT / "deploy" / "compose" / "certs.py")


@pytest.fixture(scope="session")
async def rendered() -> dict[str, list[Manifest]]:
    """Each chart's objects by its name; `secured` is a gateway that serves HTTPS, and has a canary."""
    numbers = free_ports(len(SERVICES) + len(APPLICATIONS) + 1)
    ports = dict(zip((*SERVICES, *APPLICATIONS, "redis"), numbers, strict=True))
    values: dict[str, Manifest] = {service: {**_PLAIN, "port": ports[service], "stopGrace": 8} for service in SERVICES}
    values["executor"] |= {**_SCALED, **_HANDLERS}
    values["redis"] = {"port": ports["redis"]}
    values["secured"] = {**values["gateway"], "tls": {"enabled": True}, "canary": {"enabled": True}}
    values["backend"] = {
        "database": _PLAIN["database"],
        "port": ports["backend"],
        "command": _command(ports["backend"]),
        "gateway": {"url": f"https://gateway:{ports['gateway']}", "ca": {"configMap": _AUTHORITY}},
    }
    values["console"] = {"port": ports["console"], "config": {"gateway": "https://tasks.example.com"}}
    try:
        made = await render([("gateway" if name == "secured" else name, given) for name, given in values.items()])
    except NoHelm as reason:
        pytest.skip(f"Helm cannot be had here: {reason}")
    return dict(zip(values, made, strict=True))


def _command(port: int) -> list[str]:
    """Return the chart's own command with another port; it stands in the values, as any program has its own words."""
    return ["uvicorn", "--factory", "reminders.app:create_app", "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104 - as in a pod
