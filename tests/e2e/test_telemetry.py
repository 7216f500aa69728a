"""What a task leaves for those who watch: one trace through three processes, metrics summed over children."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.stack import Stack, running_stack
from tests.support import wait_until

from tidewheel_client import AsyncClient

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

DISPATCH = "tidewheel.dispatch"


class Collector:
    """Receives spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str]] = []
        """Service, span name and trace id of each span."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].split()[0])
                self._take(await reader.readexactly(length))
                writer.write(_OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            for scope in resource.scope_spans:
                self.spans.extend((service, span.name, span.trace_id.hex()) for span in scope.spans)


@asynccontextmanager
async def _collecting() -> AsyncIterator[tuple[Collector, str]]:
    collector = Collector()
    server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
    async with server:
        yield collector, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_one_trace_goes_from_the_gateway_through_the_dispatcher_to_the_executor(
    server_binaries: tuple[Path, Path], tmp_path: Path
) -> None:
    assert server_binaries
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with _collecting() as (collector, endpoint):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        async with running_stack(tmp_path, environment=environment) as stack:
            await _submit_traced(stack, trace, concurrency_key="the dispatcher counts its slots")

            def joined() -> bool:
                return {name for _, name, found in collector.spans if found == trace} >= {
                    "tidewheel.accept",
                    DISPATCH,
                    "tidewheel.run",
                }

            await wait_until(joined, timeout=20, what=f"the three spans of one trace; seen: {collector.spans}")

    services = {service for service, _, found in collector.spans if found == trace}
    assert services == {"tidewheel-gateway", "tidewheel-dispatcher", "tidewheel-executor"}


async def test_a_task_that_goes_straight_has_the_same_spans(server_binaries: tuple[Path, Path], tmp_path: Path) -> None:
    assert server_binaries
    async with _collecting() as (collector, endpoint):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        async with running_stack(tmp_path, environment=environment) as stack:

            async def joined() -> bool:
                await _submit_traced(stack, uuid4().hex)
                straight = {trace for *span, trace in collector.spans if span == ["tidewheel-gateway", DISPATCH]}
                return bool(straight & {trace for _, name, trace in collector.spans if name == "tidewheel.run"})

            await wait_until(joined, timeout=20, what="a task that went straight")


async def _submit_traced(stack: Stack, trace: str, **fields: str) -> None:
    headers = {"Authorization": f"Bearer {stack.api_key}", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    async with httpx2.AsyncClient(base_url=stack.api_url, headers=headers, trust_env=False) as http:
        answer = await http.post("/v1/tasks", json={"handler": "demo.echo", **fields})
        assert answer.status_code == 201


async def test_the_executors_metrics_are_the_sum_over_its_children(stack: Stack, client: AsyncClient) -> None:
    before = await _runs(stack)

    results = await client.submit_batch([{"handler": "demo.distance", "payload": {"x": 1, "y": 2}}] * 40)
    for result in results:
        await client.tasks.handle(result).wait(30)

    async def counted() -> bool:
        return await _runs(stack) == before + 40

    await wait_until(counted, what="the sum over the children")


async def _runs(stack: Stack) -> float:
    log = (stack.directory / "logs" / "executor.log").read_text(encoding="utf-8")
    started = next(record for record in map(json.loads, log.splitlines()) if "probes" in record)
    async with httpx2.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{started['probes']}/metrics")).text
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("tidewheel_executor_runs_total{"):
            counts["demo.distance" if '"demo.distance"' in line else "other"] += int(float(line.rsplit(" ", 1)[1]))
    return counts["demo.distance"]
