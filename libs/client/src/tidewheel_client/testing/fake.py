"""The fake itself: time that stands still, and the calls of the API on what is kept in memory."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2
from pydantic_core import to_json

from tidewheel_client.async_client import AsyncClient
from tidewheel_client.client import Client
from tidewheel_client.exchange import IDEMPOTENCY_KEY
from tidewheel_client.testing.asked import Asked
from tidewheel_client.testing.refusal import Refusal, not_found
from tidewheel_client.testing.routes import ROUTES
from tidewheel_client.testing.schedules import FakeSchedules
from tidewheel_client.testing.shelf import Shelf
from tidewheel_client.testing.tasks import FakeTask, FakeTasks, Handler, NoHandler
from tidewheel_client.values import Duration, decode, plain

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_URL: Final = "http://tidewheel.fake"


@dataclass(frozen=True, slots=True)
class _Answered:
    """What was answered under an idempotency key, and to which request."""

    request: tuple[str, str, bytes]
    status: int
    headers: dict[str, str]
    content: bytes

    def response(self) -> httpx2.Response:
        """Return the answer, once more."""
        return httpx2.Response(self.status, headers=self.headers, content=self.content)


class FakeTidewheel:
    """A Tidewheel in memory.

    Args:
        begin: its time at the start; it moves only by `advance`, and when somebody waits for a task.
    """

    def __init__(self, *, begin: datetime = _BEGIN) -> None:
        self.now = begin
        self._begin = begin
        self._answered: dict[str, _Answered] = {}
        self._tasks = FakeTasks(lambda: self.now)
        self._schedules = FakeSchedules(self._tasks, lambda: self.now)
        self._shelf = Shelf()

    @property
    def tasks(self) -> list[FakeTask]:
        """Everything that is kept, in the order in which it came."""
        return list(self._tasks.all.values())

    def handler(self, name: str) -> Callable[[Handler], Handler]:
        """Let a function, plain or async, or a Celery task run the tasks of a handler."""

        def keep(function: Handler) -> Handler:
            self._tasks.handlers[name] = function
            return function

        return keep

    def client(self) -> Client:
        """Return a client of this fake."""
        transport = httpx2.MockTransport(self._answer)
        return Client(_URL, "tw_fake_key", transport=transport, clock=self._seconds, pause=self.advance)

    def async_client(self) -> AsyncClient:
        """Return an asynchronous client of this fake."""

        async def pause(seconds: float) -> None:
            self.advance(seconds)

        transport = httpx2.MockTransport(self._answer)
        return AsyncClient(_URL, "tw_fake_key", transport=transport, clock=self._seconds, pause=pause)

    def run(self) -> None:
        """Run everything that is due and has a handler."""
        self._schedules.fire_due()
        self._tasks.run()

    def advance(self, by: Duration) -> None:
        """Let time pass, and let everything happen that becomes due."""
        self._advance_until(self.now + timedelta(seconds=plain(by)), lambda: False)

    def _advance_until(self, end: datetime, enough: Callable[[], bool]) -> None:
        self.run()
        while not enough():
            moments = [each for each in (*self._tasks.moments(), *self._schedules.moments()) if each > self.now]
            following = min(moments, default=end)
            self.now = min(following, end)
            self.run()
            if following >= end:
                return

    def _hold(self, task: FakeTask, seconds: float) -> None:
        self._advance_until(self.now + timedelta(seconds=seconds), lambda: task.final)
        if task.state == "ready" and task.spec["handler"] not in self._tasks.handlers:
            name = task.spec["handler"]
            raise NoHandler(f"Nobody runs {name} here, so it never ends: register one with @fake.handler({name!r}).")

    def _seconds(self) -> float:
        return (self.now - self._begin).total_seconds()

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        key = request.headers.get(IDEMPOTENCY_KEY)
        identity = (request.method, request.url.path, request.content)
        if key is not None and (before := self._answered.get(key)) is not None:
            if before.request != identity:
                return _refuse(Refusal(422, "idempotency_key_reused", "This key came with another request before."))
            return before.response()
        try:
            answered = _Answered(identity, *self._serve(request))
        except Refusal as refusal:
            return _refuse(refusal)
        if key is not None:
            self._answered[key] = answered
        return answered.response()

    def _serve(self, request: httpx2.Request) -> tuple[int, dict[str, str], bytes]:
        for method, path, serve in ROUTES:
            found = re.fullmatch(path, request.url.path)
            if found is not None and method == request.method:
                status, headers, body = serve(self._asked(request, found.groupdict()))
                return status, headers, b"" if body is None else to_json(body)
        raise not_found()

    def _asked(self, request: httpx2.Request, path: dict[str, str]) -> Asked:
        return Asked(
            tasks=self._tasks,
            schedules=self._schedules,
            shelf=self._shelf,
            begin=self._begin,
            now=self.now,
            hold=self._hold,
            path=path,
            params=request.url.params,
            headers=request.headers,
            body=decode(request.content) if request.content else None,
        )


def _refuse(refusal: Refusal) -> httpx2.Response:
    return httpx2.Response(refusal.status, content=to_json({**refusal.problem, "request_id": "fake"}))
