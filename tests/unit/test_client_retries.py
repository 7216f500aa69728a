"""Which answers the client asks for again."""

from collections.abc import Mapping

import httpx2
import pytest

from tidewheel_client import ApiError, Client


def _client(*answers: tuple[int, Mapping[str, str]]) -> tuple[Client, list[str]]:
    keys: list[str] = []
    left = iter(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["Idempotency-Key"])
        status, headers = next(left)
        return httpx2.Response(status, headers=dict(headers), json={"id": "t", "code": "c"})

    return Client("http://gateway", "tw_x", transport=httpx2.MockTransport(answer), jitter=lambda: 0.0), keys


async def test_a_key_that_is_being_worked_on_is_asked_for_again_under_the_same_key() -> None:
    client, keys = _client((409, {"Retry-After": "0"}), (201, {}))
    async with client:
        assert (await client.submit("demo.echo"))["id"] == "t"
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_any_other_conflict_is_final() -> None:
    client, keys = _client((409, {}))
    async with client:
        with pytest.raises(ApiError):
            await client.submit("demo.echo")
    assert len(keys) == 1
