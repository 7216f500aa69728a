"""Connections go to checked addresses, while TLS and `Host` keep to the name."""

import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.kinds import Reply, Seen, make_certificate, served_with, web_server

from tidewheel_executor.kinds.dial import Dialler
from tidewheel_executor.kinds.exchange import Answer, Call, exchange, read_url
from tidewheel_executor.kinds.kind import Failure, Impossible
from tidewheel_executor.kinds.reach import Address, Reach

NAME = "public.example"


class Names:
    """A resolver whose answers are set."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def look_up(self, host: str, _port: int) -> Sequence[Address]:
        self.asked.append(host)
        return [ip_address(text) for text in self.answers.pop(0)]


async def call(url: str, names: Names, *, redirects: int = 0, tls: ssl.SSLContext | None = None) -> Answer:
    dialler = Dialler(Reach(["127.0.0.1"]), names.look_up)
    headers = {"authorization": "secret"}
    return await exchange(
        Call(method="GET", url=read_url(url), headers=headers, redirects=redirects), dialler, most=1000, tls=tls
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"), NAME)


async def test_the_checked_address_is_the_one_that_is_connected_to() -> None:
    with web_server() as web:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        answer = await call(web.url(host=NAME), names)

        assert answer.status == 200
        assert names.asked == [NAME]
        assert web.seen[0].headers["host"] == f"{NAME}:{web.port}"


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["8.8.8.8", "::1"]])
async def test_one_forbidden_address_of_a_name_is_enough(addresses: list[str]) -> None:
    with web_server() as web:
        with pytest.raises(Impossible, match="not a public address"):
            await call(web.url(host=NAME), Names(addresses))
        assert web.seen == []


async def test_a_name_that_moves_inside_between_two_hops_is_refused() -> None:
    with web_server() as web:
        web.reply = lambda _: Reply(status=302, headers={"Location": "/again", "Connection": "close"})
        with pytest.raises(Impossible, match=r"169\.254\.169\.254"):
            await call(web.url(host=NAME), Names(["127.0.0.1"], ["169.254.169.254"]), redirects=3)
        assert len(web.seen) == 1


async def test_tls_keeps_to_the_name(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    with web_server(tls=served_with(certificate)) as web:
        assert (await call(web.url(host=NAME, scheme="https"), Names(["127.0.0.1"]), tls=trust)).status == 200
        assert web.names == [NAME]
        with pytest.raises(Failure, match="certificate"):
            await call(web.url(host="other.example", scheme="https"), Names(["127.0.0.1"]), tls=trust)
        with pytest.raises(Failure, match="certificate"):
            await call(web.url(host=NAME, scheme="https"), Names(["127.0.0.1"]))
        assert len(web.seen) == 1


async def test_a_redirect_from_https_to_http_is_refused(certificate: Path) -> None:
    def reply(_: Seen) -> Reply:
        return Reply(status=302, headers={"Location": plain.url(host=NAME)})

    with web_server() as plain, web_server(tls=served_with(certificate)) as web:
        web.reply = reply
        trust = ssl.create_default_context(cafile=certificate)
        with pytest.raises(Impossible, match="from https to http"):
            await call(web.url(host=NAME, scheme="https"), Names(["127.0.0.1"] * 2), redirects=1, tls=trust)
        assert plain.seen == []
