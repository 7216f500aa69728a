"""The layers between the server and the routes: ours, and of the framework's only what its routes cannot do without."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tidewheel_gateway.declare import DirectRoute


class Layered(FastAPI):
    """A FastAPI without layers of its own: each costs every call as much as a layer that does something.

    The edge answers every error, FastAPI's own included, so nothing below it has to catch one.

    Args:
        layers: from the outermost to the innermost.
        options: FastAPI's own.
    """

    def __init__(self, *, layers: Iterable[Middleware], **options: Any) -> None:
        super().__init__(**options)
        self._layers = tuple(layers)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the layers around the routes; called once, at the first call."""
        app: ASGIApp = Direct(AsyncExitStackMiddleware(self.router), routes=self.router.routes)
        for layer, args, kwargs in reversed(self._layers):
            app = layer(app, *args, **kwargs)
        return app


class Direct:
    """ASGI middleware: takes calls of direct routes to their endpoints; all others go through the router."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        direct = [route for route in routes if isinstance(route, DirectRoute)]
        self._routes = {(method, route.path): route for route in direct for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)
