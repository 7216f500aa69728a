"""The links of the rig break as they are told to, and are good links otherwise."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.chaos.proxy import Proxy, open_proxy
from tests.support import wait_until


class Echo:
    """A server that answers each line, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.asked.append(line)
            writer.write(b"answer " + line)
        writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server, open_proxy("test", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def _ask(link: Proxy, *lines: bytes) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        answers = []
        for line in lines:
            writer.write(line)
            answers.append(await asyncio.wait_for(reader.readline(), 5))
        return answers
    finally:
        writer.close()


async def test_a_good_link_carries_everything(link: Proxy) -> None:
    long = b"x" * 60_000 + b"\n"

    assert await _ask(link, b"one\n", long) == [b"answer one\n", b"answer " + long]


async def test_a_cut_link_refuses_and_drops_and_answers_on_the_same_port_when_it_is_healed(link: Proxy) -> None:
    reader, _ = await asyncio.open_connection("127.0.0.1", link.port)

    await link.cut()

    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", link.port)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(1), 5)
    await link.heal()
    assert await _ask(link, b"again\n") == [b"answer again\n"]


async def test_a_muted_link_brings_requests_and_no_answers_and_drops_what_is_incomplete(
    link: Proxy, echo: Echo
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    link.toxics.mute_answers = True

    writer.write(b"one\n")
    await wait_until(lambda: link.pairs and next(iter(link.pairs)).incomplete, what="the answer to vanish")
    assert echo.asked == [b"one\n"]
    await link.heal()

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)


async def test_an_unanswered_request_reaches_the_server_and_loses_its_connection(link: Proxy, echo: Echo) -> None:
    link.toxics.unanswered = 1
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)

    writer.write(b"one\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)

    assert echo.asked == [b"one\n"]
    assert await _ask(link, b"two\n") == [b"answer two\n"]


async def test_a_slow_link_keeps_the_order(link: Proxy) -> None:
    link.toxics.latency = 0.05
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    began = asyncio.get_running_loop().time()

    writer.write(b"one\n")
    await wait_until(lambda: began + 0.02 < asyncio.get_running_loop().time(), what="a moment to pass")
    link.toxics.latency = 0.0
    writer.write(b"two\n")

    answers = [await asyncio.wait_for(reader.readline(), 5) for _ in range(2)]
    writer.close()
    assert answers == [b"answer one\n", b"answer two\n"]
    assert asyncio.get_running_loop().time() - began >= 0.05
