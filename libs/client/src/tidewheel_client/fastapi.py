"""Tidewheel in a FastAPI application: `pip install tidewheel-client[fastapi]`.

    app = FastAPI(lifespan=lifespan())

    @app.post("/reports")
    async def report(user_id: int, tidewheel: Tidewheel) -> UUID:
        handle = await tidewheel.submit("reports.daily", {"user_id": user_id})
        return handle.id

Tasks continue the trace of the request that submits them. In tests: `FastAPI(lifespan=lifespan(fake.async_client))`, or
`app.dependency_overrides[get_client] = …`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from tidewheel_client.async_client import AsyncClient
from tidewheel_client.tracing import HEADER, incoming

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def lifespan(make: Callable[[], AsyncClient] = AsyncClient) -> Lifespan:
    """Return a lifespan that opens a client for the application and closes it at the end.

    An application with a lifespan of its own enters this one in it: `async with lifespan()(app): …`.

    Args:
        make: makes the client; without one, from `TIDEWHEEL_URL` and `TIDEWHEEL_API_KEY`.
    """

    @asynccontextmanager
    async def open_client(app: FastAPI) -> AsyncIterator[None]:
        async with make() as client:
            app.state.tidewheel = client
            yield

    return open_client


async def get_client(connection: HTTPConnection) -> AsyncIterator[AsyncClient]:
    """Return the application's client, for `Depends`.

    Raises:
        RuntimeError: the application was made without the lifespan.
    """
    client: AsyncClient | None = getattr(connection.app.state, "tidewheel", None)
    if client is None:
        raise RuntimeError("There is no Tidewheel client: make the application with FastAPI(lifespan=lifespan()).")
    token = incoming.set(connection.headers.get(HEADER))
    try:
        yield client
    finally:
        incoming.reset(token)


Tidewheel = Annotated[AsyncClient, Depends(get_client)]
"""The application's client, as a parameter of a route."""
