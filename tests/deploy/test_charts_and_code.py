"""The charts against the code: each process runs with exactly what its rendered chart gives it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from tests.deploy.charts import Container, Manifest, of_kind
from tests.deploy.cluster import API_KEY, LIVENESS, READINESS, SERVICES, STARTUP, Cluster, opened_cluster

from tidewheel_client import AsyncClient
from tidewheel_common.process.settings import variable
from tidewheel_dispatcher.settings import DispatcherSettings
from tidewheel_executor.settings import ExecutorSettings
from tidewheel_gateway.settings import GatewaySettings
from tidewheel_reaper.settings import ReaperSettings
from tidewheel_scheduler.settings import SchedulerSettings

pytestmark = pytest.mark.timeout(300)  # Helm, two servers and five processes start, on a machine that may be busy

SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "scheduler": SchedulerSettings,
    "dispatcher": DispatcherSettings,
    "executor": ExecutorSettings,
    "reaper": ReaperSettings,
}
# asyncpg reads the first two itself, as every client of PostgreSQL does; the last is for the handlers.
OF_OTHERS = {"PGSSLMODE", "PGSSLROOTCERT", "REMINDERS_DATABASE_URL"}


@pytest.fixture
async def cluster(
    rendered: dict[str, list[Manifest]], empty_database_url: str, tmp_path: Path
) -> AsyncIterator[Cluster]:
    async with opened_cluster(rendered, empty_database_url, tmp_path) as opened:
        yield opened


async def test_the_processes_of_the_charts_work_together_and_their_probes_tell_the_truth(cluster: Cluster) -> None:
    assert await cluster.all_answer(LIVENESS, 0), "nothing runs yet"
    async with AsyncExitStack() as started:
        await started.enter_async_context(cluster.running("gateway"))
        await cluster.until("gateway", LIVENESS, 200)
        assert await cluster.asks("gateway", READINESS) == 503, "ready without a schema"
        await cluster.migrated()
        await cluster.redis.cut()
        for service in SERVICES[1:]:
            await started.enter_async_context(cluster.running(service))
            await cluster.until(service, LIVENESS, 200)
        assert await cluster.asks("executor", READINESS) == 503, "ready without ever having met Redis"
        await cluster.redis.heal()
        await _all_ready(cluster)
        assert await cluster.all_answer(STARTUP, 200)
        async with AsyncClient(cluster.api_url, API_KEY) as client:
            await _check_a_task(client)
            await _check_without_redis(cluster, client)
            await _check_without_postgres(cluster)
            await _check_a_task(client)
    assert cluster.exit_codes == dict.fromkeys(SERVICES, 0), "all end by themselves in the time that their pods have"


async def _all_ready(cluster: Cluster) -> None:
    for service in SERVICES:
        await cluster.until(service, READINESS, 200)


async def _check_a_task(client: AsyncClient) -> None:
    task = await client.submit("demo.echo", {"value": 1})
    assert (await task.wait(20)).state == "complete"


async def _check_without_redis(cluster: Cluster, client: AsyncClient) -> None:
    await cluster.redis.cut()
    for service in ("dispatcher", "executor"):
        await cluster.until(service, READINESS, 503)
    assert await cluster.all_answer(LIVENESS, 200), "a restart does not bring Redis back"
    assert await cluster.asks("gateway", READINESS) == 200, "tasks are accepted without Redis"
    task = await client.submit("demo.echo")
    await cluster.redis.heal()
    await _all_ready(cluster)
    assert (await task.wait(20)).state == "complete"


async def _check_without_postgres(cluster: Cluster) -> None:
    await cluster.postgres.cut()
    for service in SERVICES:
        await cluster.until(service, READINESS, 503)
    assert await cluster.all_answer(LIVENESS, 200), "a restart does not bring PostgreSQL back"
    await cluster.postgres.heal()
    await _all_ready(cluster)


async def test_every_metric_that_the_charts_ask_for_is_measured(
    rendered: dict[str, list[Manifest]], cluster: Cluster
) -> None:
    (scaled,) = of_kind(rendered["executor"], "ScaledObject")
    queries = " ".join(trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"])
    asked = set(re.findall(r"tidewheel_\w+", queries))
    assert asked
    await cluster.migrated()
    async with cluster.running("dispatcher"):
        await cluster.until("dispatcher", READINESS, 200)
        exposed = set(re.findall(r"^# TYPE (\w+)", await cluster.metrics("dispatcher"), re.MULTILINE))
    assert asked <= exposed


@pytest.mark.parametrize("chart", [*SERVICES, "secured"])
def test_every_variable_and_setting_of_a_chart_is_one_that_the_code_reads(
    chart: str, rendered: dict[str, list[Manifest]], repository: Path
) -> None:
    service = "gateway" if chart == "secured" else chart
    kind = SETTINGS[service]
    known = {variable(kind, field) for field in kind.model_fields}
    container = Container.of(of_kind(rendered[chart], "Deployment")[0])
    assert {*container.environment, *container.secrets} - OF_OTHERS <= known

    schema = json.loads((repository / "deploy" / "helm" / service / "values.schema.json").read_text(encoding="utf-8"))
    settings = schema["properties"]["settings"]["properties"]
    assert {re.sub("([A-Z])", r"_\1", name).lower() for name in settings} <= set(kind.model_fields)
    assert all(probe.endswith(("/healthz", "/readyz")) for probe in container.probes.values())


def test_the_users_of_redis_are_the_services(rendered: dict[str, list[Manifest]]) -> None:
    policy = next(each for each in of_kind(rendered["redis"], "NetworkPolicy") if each["metadata"]["name"] == "redis")
    peer: dict[str, Any] = policy["spec"]["ingress"][0]["from"][0]["podSelector"]
    assert sorted(peer["matchExpressions"][0]["values"]) == sorted(SERVICES)
