"""A gateway for a test: the whole application, on real servers, called without a socket."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import httpx2
from fastapi import FastAPI
from tests.support import text, wait_until

from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_gateway.app import Sources, create_app
from tidewheel_gateway.parts import Parts
from tidewheel_gateway.settings import GatewaySettings

KEY = ApiKey(id="first", secret="s" * 32)
KEYS = "k1:" + "A" * 43

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway that serves.

    Attributes:
        app: the application.
        http: calls it with the key of the tenant `default`.
        engine: looks behind it, into its database.
    """

    app: FastAPI
    http: httpx2.AsyncClient
    engine: Engine

    @property
    def parts(self) -> Parts:
        """What its routes share."""
        parts: Parts = self.app.state.parts
        return parts

    def stranger(self, authorization: str | None = None) -> httpx2.AsyncClient:
        """Return a client with another key, or none."""
        headers = {} if authorization is None else {"Authorization": authorization}
        return _client(self.app, headers)

    async def neighbour(self, name: str = "neighbour") -> httpx2.AsyncClient:
        """Return a client of another tenant."""
        key = ApiKey(id=name, secret="n" * 32)
        tenant = self.parts.new_id()
        await self.execute("INSERT INTO tenants (id, name) VALUES (:id, :name)", id=tenant, name=name)
        await self.execute(
            "INSERT INTO api_keys (id, tenant_id, name, secret_hash) VALUES (:id, :tenant, 'test', :hash)",
            id=key.id,
            tenant=tenant,
            hash=key.secret_hash,
        )
        return self.stranger(f"Bearer {key.text}")

    async def execute(self, sql: str, **parameters: Any) -> None:
        """Change something behind its back."""
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), parameters)

    async def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Look into its database."""
        async with self.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), parameters))]

    async def count(self, table: str = "tasks") -> int:
        """Count the rows of a table."""
        number: int = (await self.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"]
        return number

    async def submit(self, handler: str = "demo.echo", **fields: Any) -> dict[str, Any]:
        """Submit a task that must be accepted."""
        answer = await self.http.post("/v1/tasks", json={"handler": handler, **fields})
        assert answer.status_code == 201, answer.text
        task: dict[str, Any] = answer.json()
        return task

    async def at_once(self, submits: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
        """Make calls that submit one task each, of which none is committed before all have come."""
        async with self.engine.begin() as connection:
            await connection.execute(text("LOCK TABLE tasks IN EXCLUSIVE MODE"))
            answers = asyncio.gather(*submits)
            await wait_until(lambda: self.parts.acceptor._coalescer._held == len(submits), what="all submissions")
        return await answers

    async def place(self, task_id: str, state: str, **columns: Any) -> None:
        """Put a task into a state, as the other processes would."""
        sweep = {
            "waiting": "wait_until = now() + interval '1 hour'",
            "ready": "ready_at = now()",
            "queued": "queued_at = now()",
            "running": "queued_at = now(), lease_until = now() + interval '1 minute', started_at = now(), attempt = 1",
            "blocked": "attempt = 0",
        }.get(state, "remove_at = now() + interval '1 hour', finished_at = now()")
        clear = "wait_until = NULL, ready_at = NULL, queued_at = NULL, lease_until = NULL, remove_at = NULL"
        parts = {part.split(" = ")[0]: part for part in clear.split(", ")}
        parts |= {part.split(" = ")[0]: part for part in sweep.split(", ")}
        parts |= {name: f"{name} = :{name}" for name in columns}
        await self.execute(
            f"UPDATE tasks SET state = :state, {', '.join(parts.values())} WHERE id = :id",
            state=state,
            id=UUID(task_id),
            **columns,
        )


def settings(database_url: str, redis_url: str, **others: Any) -> GatewaySettings:
    """Return the settings of a gateway for tests."""
    given = {"keys": KEYS, "bootstrap_api_key": KEY.text, **others}
    return GatewaySettings(database_url=database_url, redis_url=redis_url, **given)


@asynccontextmanager
async def serving(
    database_url: str, redis_url: str, *, sources: Sources | None = None, ready: bool = True, **others: Any
) -> AsyncIterator[Gateway]:
    """Serve until the block ends."""
    app = create_app(settings(database_url, redis_url, **others), sources or Sources(jitter=lambda: 0.0))
    engine = open_engine(database_url, application_name="test", pool_size=4)
    async with app.router.lifespan_context(app), _client(app, {"Authorization": f"Bearer {KEY.text}"}) as http:
        if ready:
            await wait_until(app.state.parts.readiness.ready, what="the gateway's start")
        yield Gateway(app=app, http=http, engine=engine)
    await engine.dispose()


def _client(app: FastAPI, headers: dict[str, str]) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=headers, timeout=30)
