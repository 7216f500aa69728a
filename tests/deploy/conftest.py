"""The charts, rendered once for all tests of them."""

import pytest
from tests.deploy.charts import Manifest, NoHelm, render
from tests.deploy.cluster import SERVICES

from tidewheel_cli.embedded.ports import free_ports

# Neither server of the tests has TLS; everything else is as the charts have it.
_PLAIN = {"database": {"sslMode": "prefer", "ca": {"configMap": ""}}, "redis": {"ca": {"configMap": ""}}}
_SCALED = {"autoscaling": {"by": "backlog", "prometheus": "http://prometheus:9090"}}


@pytest.fixture(scope="session")
async def rendered() -> dict[str, list[Manifest]]:
    ports = free_ports(len(SERVICES) + 1)
    values: dict[str, Manifest] = {
        service: {**_PLAIN, "port": port, "stopGrace": 8} for service, port in zip(SERVICES, ports, strict=False)
    }
    values["executor"] |= _SCALED
    values["redis"] = {"port": ports[-1]}
    try:
        return dict(zip(values, await render(list(values.items())), strict=True))
    except NoHelm as reason:
        pytest.skip(f"Helm cannot be had here: {reason}")
