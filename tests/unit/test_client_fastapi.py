"""A FastAPI application with a Tidewheel client in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tidewheel_client import AsyncClient
from tidewheel_client.fastapi import Tidewheel, get_client, lifespan
from tidewheel_client.testing import FakeTidewheel

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def _app(make: object) -> FastAPI:
    app = FastAPI(lifespan=lifespan(make), telemetry={"tracing": False})  # type: ignore[arg-type]

    @app.post("/reports")
    async def report(user_id: int, tidewheel: Tidewheel) -> UUID:
        return (await tidewheel.submit("reports.daily", {"user_id": user_id})).id

    return app


@asynccontextmanager
async def _calling(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://app") as http,
    ):
        yield http


async def test_a_route_submits_with_the_applications_client() -> None:
    fake = FakeTidewheel()
    async with _calling(_app(fake.async_client)) as http:
        answer = await http.post("/reports?user_id=42")

    [task] = fake.tasks
    assert answer.json() == str(task.id)
    assert task.payload == {"user_id": 42}


async def test_a_task_continues_the_trace_of_the_request_or_of_the_current_span() -> None:
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("traceparent"))
        return httpx2.Response(422, json={})

    def make() -> AsyncClient:
        return AsyncClient("http://gateway", "tw_x", transport=httpx2.MockTransport(answer))

    async with _calling(_app(make)) as http, make() as outside:
        for headers in ({"traceparent": PARENT}, {}):
            with pytest.raises(Exception, match="422"):
                await http.post("/reports?user_id=42", headers=headers)
        span = TracerProvider().get_tracer("test").start_span("outer")
        with trace.use_span(span), pytest.raises(Exception, match="422"):
            await outside.submit("demo.echo")

    assert seen[:2] == [PARENT, None]
    assert f"{span.get_span_context().trace_id:032x}" in (seen[2] or "")


async def test_an_application_without_the_lifespan_is_told_so() -> None:
    app = _app(FakeTidewheel().async_client)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as http:
        with pytest.raises(RuntimeError, match=r"lifespan=lifespan\(\)"):
            await http.post("/reports?user_id=42")


async def test_a_test_puts_its_own_client_in() -> None:
    app, fake = _app(FakeTidewheel().async_client), FakeTidewheel()
    app.dependency_overrides[get_client] = fake.async_client
    async with _calling(app) as http:
        await http.post("/reports?user_id=1")

    assert len(fake.tasks) == 1
