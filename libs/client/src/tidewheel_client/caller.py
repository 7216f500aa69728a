"""Two thin ways to carry out what `exchange` asks for: blocking, and on an event loop."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx2

from tidewheel_client.call import Call, Reply
from tidewheel_client.exchange import Flow, Lost, Outcome, Policy, Request, exchange
from tidewheel_client.settings import find_authority
from tidewheel_client.tracing import HEADER, current_traceparent

T = TypeVar("T")

_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What both callers share.

    Attributes:
        policy: how often a call is tried.
        timeout: seconds to wait for an answer.
        clock: seconds that never jump.
    """

    policy: Policy
    timeout: float
    clock: Callable[[], float]

    def exchange(self, call: Call[T]) -> Flow[T]:
        """Return how to carry a call through."""
        traceparent = current_traceparent()
        return exchange(call, self.policy, {} if traceparent is None else {HEADER: traceparent})


class Caller:
    """Carries calls out, blocking.

    Args:
        http: with the address and the key.
        habits: how patient it is.
        pause: waits for so many seconds.
    """

    def __init__(self, http: httpx2.Client, habits: Habits, *, pause: Callable[[float], object]) -> None:
        self.http = http
        self.habits = habits
        self._pause = pause

    def call(self, call: Call[T]) -> T:
        """Return what a call returns."""
        return self.run(self.habits.exchange(call))

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow and return its result."""
        outcome: Outcome = None
        try:
            while True:
                step = flow.send(outcome)
                if isinstance(step, Request):
                    outcome = self._send(step)
                else:
                    self._pause(step.seconds)
                    outcome = None
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, request: Request) -> Reply | Lost:
        try:
            return _reply(self.http.request(**_arguments(request, self.habits.timeout)))
        except httpx2.TransportError as error:
            return _lost(self.http.base_url, error)


class AsyncCaller:
    """Carries calls out on an event loop.

    Args:
        http: with the address and the key.
        habits: how patient it is.
        pause: waits for so many seconds.
    """

    def __init__(
        self, http: httpx2.AsyncClient, habits: Habits, *, pause: Callable[[float], Awaitable[object]]
    ) -> None:
        self.http = http
        self.habits = habits
        self._pause = pause

    async def call(self, call: Call[T]) -> T:
        """Return what a call returns."""
        return await self.run(self.habits.exchange(call))

    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow and return its result."""
        outcome: Outcome = None
        try:
            while True:
                step = flow.send(outcome)
                if isinstance(step, Request):
                    outcome = await self._send(step)
                else:
                    await self._pause(step.seconds)
                    outcome = None
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Reply | Lost:
        try:
            return _reply(await self.http.request(**_arguments(request, self.habits.timeout)))
        except httpx2.TransportError as error:
            return _lost(self.http.base_url, error)


def http_options(url: str, api_key: str) -> dict[str, Any]:
    """Return how a client of httpx2 is opened; the environment's proxies are for the world outside, not for us.

    Raises:
        NotConfigured: `TIDEWHEEL_CA` names no authority.
    """
    authorization = {"Authorization": f"Bearer {api_key}"}
    return {"base_url": url, "headers": authorization, "verify": find_authority(), "trust_env": False}


def _arguments(request: Request, timeout: float) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.path,
        "params": request.params,
        "headers": request.headers,
        "content": request.content,
        "timeout": timeout + request.hold,
    }


def _reply(response: httpx2.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(status=response.status_code, headers=headers, content=response.content)


def _lost(url: httpx2.URL, error: httpx2.TransportError) -> Lost:
    reason = f"{url}: {str(error) or type(error).__name__}"
    return Lost(reason=reason, sent=not isinstance(error, _UNSENT))
