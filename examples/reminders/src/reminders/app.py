"""Puts the backend together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker

from reminders import computations, health, routes
from reminders.refusals import refuse
from reminders.settings import Settings
from reminders.tables import create_tables, open_engine
from tidewheel_client import AsyncClient, Conflict, InvalidRequest
from tidewheel_client.fastapi import lifespan
from tidewheel_client.sqlalchemy import Enqueuer


def create_app(
    settings: Settings | None = None,
    *,
    make_client: Callable[[], AsyncClient] = AsyncClient,
    enqueuer: Enqueuer | None = None,
) -> FastAPI:
    """Make the application; what is not given comes from the environment."""
    settings = settings or Settings()

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        engine = open_engine(settings.database_url.get_secret_value())
        await create_tables(engine)
        app.state.sessions = async_sessionmaker(engine)
        app.state.keep = settings.keep
        app.state.enqueuer = enqueuer or Enqueuer.from_environment()
        async with lifespan(make_client)(app):
            with suppress(Conflict):  # it is there since the first start
                keep = {"keep": settings.keep.total_seconds()}
                await app.state.tidewheel.schedules.create("reminders sweep", "reminders.sweep", keep, cron="@hourly")
            yield
        await engine.dispose()

    app = FastAPI(title="Reminders", lifespan=run)
    app.add_exception_handler(InvalidRequest, refuse)
    app.include_router(routes.router)
    app.include_router(computations.router)
    app.include_router(health.router)
    return app
