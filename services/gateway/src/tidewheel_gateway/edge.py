"""The outermost layer: every call gets a request id, every error becomes an answer, every answer is counted."""

import re
import time
from collections.abc import Callable, Iterable
from http import HTTPMethod, HTTPStatus
from typing import Final
from uuid import UUID

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidewheel_common.core.fault import Fault
from tidewheel_common.core.validation import NotJson, sentence
from tidewheel_common.store.errors import is_transient
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_gateway.problems import Problem, from_status, internal, invalid, method_not_allowed, unavailable

NOWHERE: Final = "(none)"
"""Stands for the route of a call that found none, in metrics."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_METHODS = frozenset(HTTPMethod)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Edge:
    """ASGI middleware around everything else.

    Args:
        app: what it surrounds.
        new_id: makes the ids of requests that come without one.
        metrics: counts answers.
    """

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], UUID], metrics: GatewayMetrics) -> None:
        self._app = app
        self._new_id = new_id
        self._metrics = metrics
        self._refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or str(self._new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        started = time.monotonic()
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.status:  # too late for another answer
                raise
            if is_transient(error):
                self._note_away(error, request_id)
            await as_problem(error, scope).response(request_id)(scope, receive, answer.send)
        else:
            self._note_answer(scope, answer.status)
        finally:
            self._count(scope, answer.status, time.monotonic() - started)

    def _note_away(self, error: Exception, request_id: str) -> None:
        if not self._refused:
            log.warning("database away", error_type=type(error).__name__, request_id=request_id)
        self._refused += 1

    def _note_answer(self, scope: Scope, status: int) -> None:
        # A line for each streak, not for each call: what succeeds under /v1 has spoken with the database.
        if self._refused and status < HTTPStatus.BAD_REQUEST and scope["path"].startswith("/v1/"):
            log.info("database back", refused=self._refused)
            self._refused = 0

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = getattr(scope.get("route"), "path_format", NOWHERE)
        self._metrics.answered(method=method, route=route, status=status, seconds=seconds)


class _Answer:
    """Passes an answer on, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._headers = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers]
        await self._send(message)


def as_problem(error: Exception, scope: Scope) -> Problem:
    """Turn any error into the answer that it deserves; one that nobody foresaw is logged."""
    match error:
        case Problem():
            return error
        case NotJson():
            return Problem("invalid_json", str(error))
        case RequestValidationError():
            return invalid(list(_faults(error)))
        case HTTPException():
            return _of_framework(error.status_code, scope)
        case _ if is_transient(error):
            return unavailable()
        case _:
            log.error("call failed", exc_info=error, request_id=scope["state"]["request_id"])
            return internal()


def _of_framework(status: int, scope: Scope) -> Problem:
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return method_not_allowed(_allowed(scope["app"].router.routes, scope))
    return from_status(status)


def _allowed(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    allowed: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is Match.PARTIAL:
            allowed |= set(getattr(route, "methods", None) or ())
    return allowed


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None


def _faults(error: RequestValidationError) -> Iterable[Fault]:
    for detail in error.errors():
        name = str(detail["loc"][1]) if len(detail["loc"]) > 1 else str(detail["loc"][0])
        yield Fault(code=detail["type"], parameter=name[:100], detail=sentence(detail))
