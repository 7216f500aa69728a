"""Puts the gateway together."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from uuid import UUID

from fastapi import FastAPI
from starlette.middleware import Middleware

from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.health import Health
from tidewheel_common.process.loop import Loop, run_loops
from tidewheel_common.process.metrics import Metrics
from tidewheel_common.store.engine import Engine, Plans, open_engine
from tidewheel_common.store.ids import uuid7
from tidewheel_common.streams.client import open_redis
from tidewheel_common.weather import store_is_away
from tidewheel_gateway import certificate, notification_rules, openapi, queries, rooms, signatures
from tidewheel_gateway.accept import Acceptor
from tidewheel_gateway.admission import Admission
from tidewheel_gateway.allowance import Allowance
from tidewheel_gateway.auth import Authenticator, Guard
from tidewheel_gateway.bootstrap import Bootstrap
from tidewheel_gateway.bulk import EVERY, Bulk
from tidewheel_gateway.cursor import Cursors
from tidewheel_gateway.edge import Edge
from tidewheel_gateway.express import Express
from tidewheel_gateway.finals import Finals
from tidewheel_gateway.idempotency import Fingerprints
from tidewheel_gateway.layers import Layered
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_gateway.notification_rules import NotificationRules
from tidewheel_gateway.parts import Parts
from tidewheel_gateway.records import KeyRecord
from tidewheel_gateway.rooms import Rooms
from tidewheel_gateway.routes import (
    actions,
    bulk,
    executors,
    fires,
    handlers,
    intake,
    logs,
    operations,
    preview,
    queues,
    schedules,
    tasks,
)
from tidewheel_gateway.routes import notification_rules as routes_rules
from tidewheel_gateway.settings import GatewaySettings
from tidewheel_gateway.signatures import Signatures
from tidewheel_gateway.wakeups import Wakeups


def wall_clock() -> datetime:
    """Return the time of this machine; good enough to see that a time lies ten years ahead."""
    return datetime.now(UTC)  # noqa: TID251 - the one place; whatever is due is decided by the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the gateway takes from outside itself; tests give their own.

    Attributes:
        new_id: makes UUIDv7.
        clock: the time of day.
        monotonic: seconds that never jump.
        jitter: draws from [0, 1).
        on_failure: called when a background loop has failed: the process should end.
    """

    new_id: Callable[[], UUID] = uuid7
    clock: Callable[[], datetime] = wall_clock
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = field(default_factory=lambda: random.SystemRandom().random)
    on_failure: Callable[[], object] = lambda: None


def create_app(settings: GatewaySettings, sources: Sources | None = None) -> FastAPI:
    """Make the application; nothing connects before it starts to serve."""
    sources = sources or Sources()
    engine = open_engine(
        settings.database_url.get_secret_value(),
        application_name="tidewheel-gateway",
        pool_size=settings.pool_size,
        plans=Plans.AS_IT_SEES_FIT,
    )
    metrics = Metrics("gateway")
    parts = _parts(settings, sources, engine, metrics)
    served = _certificate(settings, metrics)
    app = Layered(
        title=openapi.TITLE,
        version=version("tidewheel-gateway"),
        lifespan=_Lifespan(settings, sources, parts, metrics, served).run,
        # Our own span says more than one for each call, and our own metrics are there already.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redoc_url=None,
        redirect_slashes=False,
        layers=[
            Middleware(Edge, new_id=sources.new_id, metrics=parts.metrics),
            Middleware(Admission, most=settings.calls_in_flight),
            Middleware(Guard, authenticator=parts.authenticator),
        ],
    )
    app.state.parts = parts
    app.state.certificate = served
    busy = (intake, tasks, bulk, logs, actions)
    others = (schedules, fires, preview, queues, handlers, executors, routes_rules, operations)
    for module in (*busy, *others):
        # The busiest routes come first, and directly: a router that is included is asked twice for each call.
        app.router.routes.extend(module.router.routes)
    _document(app)
    return app


def _certificate(settings: GatewaySettings, metrics: Metrics) -> certificate.Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return certificate.Certificate(settings.tls_certificate, settings.tls_key, metrics.registry)


def _document(app: FastAPI) -> None:
    made: dict[str, object] = {}

    def document() -> dict[str, object]:
        if not made:
            made.update(openapi.document(app))
        return made

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _parts(settings: GatewaySettings, sources: Sources, engine: Engine, metrics: Metrics) -> Parts:
    keyring = Keyring.parse(settings.keys.get_secret_value())
    sealer = Sealer(keyring)
    counted = GatewayMetrics(metrics)
    finals = Finals()
    rules = NotificationRules(engine)
    wakeups = Wakeups(settings.redis_url.get_secret_value(), finals, monotonic=sources.monotonic)

    redis = open_redis(settings.redis_url.get_secret_value(), client_name="tidewheel-gateway", pool_size=2)
    room = Rooms(redis, monotonic=sources.monotonic)
    express = Express(engine, redis, room, counted, left_over=wakeups.dispatcher.wake)

    async def find_key(key_id: str) -> KeyRecord | None:
        async with engine.connect() as connection:
            return await queries.api_key_find(connection, key_id)

    return Parts(
        engine=engine,
        allowance=Allowance(settings.tenant_rate, monotonic=sources.monotonic),
        bulk=Bulk(engine, wakeups),
        sealer=sealer,
        authenticator=Authenticator(find_key, monotonic=sources.monotonic),
        fingerprints=Fingerprints(keyring),
        cursors=Cursors(keyring),
        acceptor=Acceptor(engine, sealer, wakeups, counted, rules=rules, rooms=room, express=express),
        finals=finals,
        signatures=Signatures(engine),
        rules=rules,
        wakeups=wakeups,
        rooms=room,
        express=express,
        metrics=counted,
        health=Health(),
        readiness=Health(),
        new_id=sources.new_id,
        clock=sources.clock,
    )


class _Lifespan:
    """Runs the background loops while the application serves, and closes what was opened."""

    def __init__(
        self,
        settings: GatewaySettings,
        sources: Sources,
        parts: Parts,
        metrics: Metrics,
        served: certificate.Certificate | None,
    ) -> None:
        self._sources = sources
        self._served = served
        self._parts = parts
        self._metrics = metrics
        self._stop = asyncio.Event()
        given = settings.bootstrap_api_key
        self._bootstrap = Bootstrap(
            parts.engine,
            key=None if given is None else ApiKey.parse(given.get_secret_value()),
            new_id=sources.new_id,
            health=parts.readiness,
        )

    @contextlib.asynccontextmanager
    async def run(self, _: FastAPI) -> AsyncIterator[None]:
        loops = asyncio.create_task(self._loops())
        loops.add_done_callback(self._ended)
        try:
            yield
        finally:
            self._stop.set()
            self._parts.finals.close()
            await asyncio.gather(loops, return_exceptions=True)
            await self._parts.express.close()
            await self._parts.wakeups.close()
            await self._parts.engine.dispose()

    async def _loops(self) -> None:
        renewed = [Loop(name="certificate", tick=self._served.tick, every=certificate.EVERY)] if self._served else []
        await run_loops(
            [
                *renewed,
                Loop(name="bootstrap", tick=self._bootstrap.tick, every=2.0),
                Loop(name="handlers", tick=self._read_handlers, every=signatures.EVERY),
                Loop(name="rules", tick=self._read_rules, every=notification_rules.EVERY),
                Loop(name="bulk", tick=self._work_bulk, every=EVERY, wake=self._parts.bulk.wake),
                Loop(name="rooms", tick=self._parts.rooms.look, every=rooms.REFRESH, wake=self._parts.rooms.wake),
                Loop(
                    name="finals",
                    tick=partial(self._parts.wakeups.listen, self._stop),
                    every=1.0,
                    wake=self._parts.finals.wanted,
                ),
            ],
            stop=self._stop,
            transient=store_is_away,
            health=self._parts.health,
            jitter=self._sources.jitter,
            metrics=self._metrics,
            grace=0.5,  # a tick of ours only listens, or can be done again by the next gateway
        )

    async def _read_handlers(self) -> None:
        if self._bootstrap.done:  # before that there may be no such table
            await self._parts.signatures.tick()

    async def _read_rules(self) -> None:
        if self._bootstrap.done:
            await self._parts.rules.tick()

    async def _work_bulk(self) -> float | None:
        return await self._parts.bulk.tick() if self._bootstrap.done else None

    def _ended(self, loops: asyncio.Task[None]) -> None:
        if not loops.cancelled() and loops.exception() is not None:
            self._sources.on_failure()
