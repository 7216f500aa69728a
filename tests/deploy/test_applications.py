"""What stands around the services, run as its charts render it: HTTPS, the canary, a backend, a front end."""

import json
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.deploy.charts import Container, Manifest, of_kind, verifier
from tests.deploy.cluster import API_KEY, LIVENESS, READINESS, Cluster, opened_cluster
from tests.support import wait_until

from tidewheel_cli.embedded.program import Program, running

pytestmark = pytest.mark.timeout(300)  # Helm, two servers and five processes start, on a machine that may be busy

NOW = datetime.now(UTC)  # noqa: TID251 - the certificates are checked against the clock of this machine


@pytest.fixture
async def cluster(
    rendered: dict[str, list[Manifest]], certs: Any, empty_database_url: str, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """A cluster whose gateway serves HTTPS, with an authority of its own."""
    authority = certs.make_authority(tmp_path / "etc" / "tidewheel" / "gateway", NOW)
    certs.make_server(tmp_path / "etc" / "tidewheel" / "tls", "gateway", authority, NOW)
    shutil.copytree(tmp_path / "etc" / "tidewheel" / "gateway", tmp_path / "etc" / "tidewheel" / "authority")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "etc" / "tidewheel" / "gateway" / "ca.crt"))
    charts = {**rendered, "gateway": rendered["secured"]}
    async with opened_cluster(charts, empty_database_url, tmp_path, trust=trusted) as opened:
        yield opened


async def test_a_backend_and_the_canary_reach_a_gateway_that_serves_https(
    rendered: dict[str, list[Manifest]], cluster: Cluster
) -> None:
    await cluster.migrated()
    async with AsyncExitStack() as started:
        services = ("gateway", "dispatcher", "executor")
        for service in services:
            await started.enter_async_context(cluster.running(service))
        for service in services:
            await cluster.until(service, READINESS, 200)
        await started.enter_async_context(cluster.running("backend"))
        await cluster.until("backend", READINESS, 200)
        (canary,) = of_kind(rendered["secured"], "CronJob")
        await cluster.runs("canary", Container.of(canary))
        for chart, name in (("secured", "gateway-test"), ("backend", "backend-test")):
            (asked,) = of_kind(rendered[chart], "Pod")
            await cluster.runs(name, Container.of(asked))
        await _check_a_reminder(cluster)
        await wait_until(partial(_goes_straight, cluster), timeout=30, what="a task to go straight to its stream")

        await cluster.postgres.cut()
        await cluster.until("backend", READINESS, 503)
        await cluster.until("backend", LIVENESS, 200)  # a restart does not bring PostgreSQL back
        await cluster.postgres.heal()
        await cluster.until("backend", READINESS, 200)


async def _check_a_reminder(cluster: Cluster) -> None:
    """A call to the backend becomes a task, and an executor runs the backend's handler."""
    (port,) = cluster.containers["backend"].ports.values()
    reminders = f"http://127.0.0.1:{port}/reminders"
    wanted = {"text": "Tea", "due": NOW.isoformat()}
    made = (await cluster.http.post(reminders, json=wanted, timeout=30)).json()

    async def delivered() -> bool:
        return bool((await cluster.http.get(f"{reminders}/{made['id']}", timeout=30)).json()["deliveries"])

    await wait_until(delivered, timeout=30, what="the reminder to be delivered")


async def _goes_straight(cluster: Cluster) -> bool:
    """Submit a task, and tell whether Redis lets the gateway push hints."""
    task = {"handler": "tidewheel.canary", "payload": {"given": "straight"}}
    await cluster.http.post(f"{cluster.api_url}/v1/tasks", json=task, headers={"Authorization": f"Bearer {API_KEY}"})
    metrics = (await cluster.http.get(f"{cluster.api_url}/metrics")).text
    return "tidewheel_tasks_straight_total 0.0" not in metrics


async def test_the_front_end_is_served_as_its_chart_says(rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    debian = verifier("debian")
    try:
        with debian.program("nginx", "nginx", "nginx-common") as nginx:
            await _check_the_front_end(rendered["console"], nginx, tmp_path)
    except debian.NotHere as reason:
        pytest.skip(str(reason))


async def _check_the_front_end(manifests: list[Manifest], nginx: Path, directory: Path) -> None:
    container = Container.of(of_kind(manifests, "Deployment")[0])
    program = _front_end(container, of_kind(manifests, "ConfigMap")[0]["data"], nginx, directory)
    (port,) = container.ports.values()
    async with running(program), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

        async def probed() -> bool:
            try:
                return {(await http.get(probe.format(host="127.0.0.1"))).status_code for probe in probes} == {200}
            except httpx2.ConnectError:
                return False

        probes = container.probes.values()
        await wait_until(probed, timeout=30, what="the probes of the front end to pass")

        page = await http.get("/tasks/42")
        assert page.text == "the page", "the page itself knows its paths"
        assert page.headers["cache-control"] == "no-cache"
        assert "connect-src 'self' https://tasks.example.com" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/config.json")).json() == {"gateway": "https://tasks.example.com"}
        kept = await http.get("/assets/app-1a2b.js")
        assert "immutable" in kept.headers["cache-control"]
        assert kept.headers["content-type"].startswith(("application/javascript", "text/javascript"))
        gone = await http.get("/assets/app-0000.js")
        assert (gone.status_code, gone.headers["x-content-type-options"]) == (404, "nosniff")
        assert "immutable" not in gone.headers.get("cache-control", ""), "what is not there yet may come"
    logged = [json.loads(line) for line in program.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{"]
    assert "/config.json" in {line["path"] for line in logged}
    assert "/healthz" not in {line["path"] for line in logged}


def _front_end(container: Container, files: dict[str, str], nginx: Path, directory: Path) -> Program:
    """Mount what the chart mounts, below a directory of this test, and start what it starts."""
    (directory / "assets").mkdir()
    (directory / "index.html").write_text("the page", encoding="utf-8")
    (directory / "assets" / "app-1a2b.js").write_text("1", encoding="utf-8")
    (directory / "config.json").write_text(files["config.json"], encoding="utf-8")
    shutil.copy(nginx.parents[2] / "etc" / "nginx" / "mime.types", directory)
    text = files["nginx.conf"]
    for mounted in ("/tmp", "/usr/share/nginx/html", "/etc/console"):  # noqa: S108 - as in a pod
        text = re.sub(rf"(?<= ){mounted}\b", str(directory), text)
    whose = "user root;\n" if os.geteuid() == 0 else ""  # it would give root up for `nobody`, whom pytest keeps out
    (directory / "nginx.conf").write_text(whose + text, encoding="utf-8")
    words = (word.replace("/etc/nginx", str(directory)) for word in container.command[1:])
    log = directory / "nginx.log"
    return Program(name="nginx", command=(str(nginx), *words), environment={}, log=log)
