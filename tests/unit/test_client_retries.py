"""Which answers the client asks for again, after which pause, and what it says when it gives up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
import pytest

from tidewheel_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotConfigured,
    ServiceFailed,
    UnexpectedAnswer,
    Unreachable,
)

Answer = tuple[int, Mapping[str, str]] | httpx2.TransportError

ACCEPTED: Answer = (201, {})
DELETED: Answer = (204, {})
ID = "0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10"


@dataclass
class Service:
    """Gives the answers that it is told to give, one after the other, and remembers what was asked."""

    answers: list[Answer]
    asked: list[httpx2.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    @property
    def keys(self) -> set[str | None]:
        return {request.headers.get("Idempotency-Key") for request in self.asked}

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        given = self.answers.pop(0)
        if isinstance(given, httpx2.TransportError):
            raise given
        status, headers = given
        return httpx2.Response(status, headers=dict(headers), json={"results": [], "code": "c", "detail": "No."})

    def client(self, *, tries: int = 5) -> Client:
        transport, pause = httpx2.MockTransport(self.answer), self.pauses.append
        return Client("http://gateway", "tw_x", transport=transport, jitter=lambda: 0.0, pause=pause, tries=tries)

    def async_client(self) -> AsyncClient:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        transport = httpx2.MockTransport(self.answer)
        return AsyncClient("http://gateway", "tw_x", transport=transport, jitter=lambda: 0.0, pause=pause)


@pytest.mark.parametrize(
    "first",
    [
        (408, {}), (409, {"Retry-After": "3"}), (429, {"Retry-After": "3"}), (500, {}), (502, {}), (503, {}), (504, {}),
        httpx2.ConnectError("refused"), httpx2.ReadTimeout("too slow"), httpx2.RemoteProtocolError("cut"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_may_pass_is_asked_again_under_the_same_key(first: Answer) -> None:
    service, other = Service([first, ACCEPTED]), Service([first, ACCEPTED])

    service.client().submit_batch([])
    async with other.async_client() as client:
        await client.submit_batch([])

    assert len(service.asked) == len(other.asked) == 2
    assert len(service.keys) == len(other.keys) == 1
    wanted = isinstance(first, tuple) and first[1].get("Retry-After")
    assert service.pauses == other.pauses == [float(wanted) if wanted else 0.2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 422])
def test_any_other_refusal_is_final(status: int) -> None:
    service = Service([(status, {})])

    with pytest.raises(ApiError) as caught:
        service.client().submit_batch([])

    assert caught.value.status == status
    assert len(service.asked) == 1


def test_pauses_grow_and_end_with_the_last_try() -> None:
    service = Service([(503, {})] * 6)

    with pytest.raises(ServiceFailed):
        service.client(tries=6).submit_batch([])

    assert service.pauses == [0.2, 0.4, 0.8, 1.6, 2.5]


def test_a_service_that_wants_to_be_asked_much_later_is_not_waited_for() -> None:
    service = Service([(503, {"Retry-After": "3600"})])

    with pytest.raises(ServiceFailed) as caught:
        service.client().submit_batch([])

    assert caught.value.retry_after == 3600
    assert service.pauses == []


def test_what_must_not_be_done_twice_is_repeated_only_when_it_was_not_done() -> None:
    unsure = Service([httpx2.ReadTimeout("too slow")])
    sure = Service([httpx2.ConnectError("refused"), (429, {}), (409, {})])

    with pytest.raises(Unreachable, match="http://gateway"):
        unsure.client().tasks.redrive(ID)
    with pytest.raises(Conflict):
        sure.client().tasks.redrive(ID)

    assert (len(unsure.asked), len(sure.asked)) == (1, 3)


def test_a_delete_whose_answer_was_lost_is_done() -> None:
    Service([httpx2.ReadTimeout("too slow"), (404, {})]).client().schedules.delete(ID)
    Service([DELETED]).client().schedules.delete(ID)
    with pytest.raises(ApiError):
        Service([(404, {})]).client().schedules.delete(ID)


def test_an_error_says_which_fields_are_wrong_and_in_which_request() -> None:
    problem = {
        "code": "invalid_request",
        "detail": "One field is not as it must be.",
        "request_id": "r-1",
        "errors": [{"pointer": "/queue", "code": "string_type", "detail": "It must be text."}],
    }
    transport = httpx2.MockTransport(lambda _: httpx2.Response(422, json=problem))

    with pytest.raises(InvalidRequest, match=r"/queue: It must be text.*r-1") as caught:
        Client("http://gateway", "tw_x", transport=transport).submit("demo.echo")

    [error] = caught.value.errors
    assert (error.field, error.code, caught.value.request_id) == ("/queue", "string_type", "r-1")


@pytest.mark.parametrize("content", [b"<html>Welcome</html>", b"[]", b'{"results": 1}', b"{}"])
def test_an_answer_of_something_else_is_named_as_such(content: bytes) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=content))

    with pytest.raises(UnexpectedAnswer, match="gateway"):
        Client("http://gateway", "tw_x", transport=transport).submit_batch([])


def test_a_proxys_refusal_is_an_api_error_too() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(413, text="Too large", headers={"X-Request-Id": "r"}))

    with pytest.raises(ApiError, match="Too large") as caught:
        Client("http://gateway", "tw_x", transport=transport).submit("demo.echo")

    assert caught.value.request_id == "r"


def test_the_address_and_the_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEWHEEL_API_KEY", raising=False)
    monkeypatch.delenv("TIDEWHEEL_URL", raising=False)
    with pytest.raises(NotConfigured, match="TIDEWHEEL_URL"):
        Client()
    monkeypatch.setenv("TIDEWHEEL_URL", "http://from.environment")
    with pytest.raises(NotConfigured, match="TIDEWHEEL_API_KEY"):
        Client()
    monkeypatch.setenv("TIDEWHEEL_API_KEY", "tw_environment")
    service = Service([ACCEPTED])

    Client(transport=httpx2.MockTransport(service.answer)).submit_batch([])

    [request] = service.asked
    assert request.url == "http://from.environment/v1/tasks:batch"
    assert request.headers["Authorization"] == "Bearer tw_environment"
